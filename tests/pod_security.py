"""Kubernetes' Pod Security, as far as pods have fields that it speaks of."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

KUBERNETES = "1.36"  # whose schema pods are checked by
HARMLESS_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def violations(pod: Json) -> list[str]:
    """What the standard "restricted", and "baseline" which it contains, has against a pod.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    spec = pod["spec"]
    whole = spec.get("securityContext", {})
    found = [f"{key} is set" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    for volume in spec.get("volumes", []):
        [kind] = volume.keys() - {"name"}
        if kind not in HARMLESS_VOLUMES:
            found.append(f"volume {volume['name']} is a {kind}")
    if whole.get("sysctls"):
        found.append("sysctls are set")
    containers = [
        *spec["containers"],
        *spec.get("initContainers", []),
        *spec.get("ephemeralContainers", []),
    ]
    for container in containers:
        own = container.get("securityContext", {})
        found += [f"{container['name']}: {what}" for what in _against(own, whole | own)]
        if any("hostPort" in port for port in container.get("ports", [])):
            found.append(f"{container['name']}: a host port")
    if whole.get("runAsUser") == 0:
        found.append("the pod runs as user 0")
    return found


def _against(own: Json, both: Json) -> Iterator[str]:
    """What is wrong with a container's security context, and with it over the pod's."""
    capabilities = own.get("capabilities", {})
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "may escalate privileges"
    if "ALL" not in capabilities.get("drop", []):
        yield "keeps capabilities"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "adds capabilities"
    if both.get("runAsNonRoot") is not True:
        yield "may be root"
    if own.get("runAsUser") == 0:
        yield "runs as user 0"
    if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "no seccomp profile"
    if own.get("procMount", "Default") != "Default":
        yield "another /proc"
    if both.get("seLinuxOptions", {}).keys() & {"user", "role"}:
        yield "another SELinux user or role"
    if both.get("appArmorProfile", {}).get("type", "RuntimeDefault") == "Unconfined":
        yield "no AppArmor"
