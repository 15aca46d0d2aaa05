"""The pod that KFP's back end makes of a compiled task.

Follows kubeflow/pipelines: backend/src/v2/driver (initPodSpecPatch, extendPodSpecPatch) and
backend/src/v2/compiler/argocompiler (container.go, security_context.go).
"""

import copy
import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

LAUNCHER = "kfp-launcher"
OWN_MOUNTS = {LAUNCHER: "/kfp-launcher"} | {
    f"{name}-scratch": path
    for name, path in {
        "gcs": "/gcs",
        "s3": "/s3",
        "minio": "/minio",
        "dot-local": "/.local",
        "dot-cache": "/.cache",
        "dot-config": "/.config",
    }.items()
}
ENFORCED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pods(spec: Json, platform: Json) -> dict[str, Json]:
    """The pod of each task, by the name of its step.

    Args:
        spec: the first document of a compiled YAML.
        platform: the second.
    """
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    executors = spec["deploymentSpec"]["executors"]
    configs = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return {
        name.removeprefix("exec-").replace("-", "_"): _pod(
            executor["container"], configs.get(name, {}), parameters
        )
        for name, executor in executors.items()
    }


def _pod(container: Json, config: Json, parameters: Json) -> Json:
    mounts = [{"name": name, "mountPath": path} for name, path in OWN_MOUNTS.items()]
    volumes: list[Json] = [{"name": name, "emptyDir": {}} for name in OWN_MOUNTS]
    for mount in config.get("pvcMount", []):
        claim = mount["pvcNameParameter"]["runtimeValue"]["constant"]
        volumes.append({"name": claim, "persistentVolumeClaim": {"claimName": claim}})
        mounts.append({"name": claim, "mountPath": mount["mountPath"]})
    for mount in config.get("emptyDirMounts", []):
        source = {key: mount[key] for key in ("medium", "sizeLimit") if key in mount}
        volumes.append({"name": mount["volumeName"], "emptyDir": source})
        mounts.append({"name": mount["volumeName"], "mountPath": mount["mountPath"]})
    context = config.get("securityContext", {})
    if "runAsUser" in context:
        context = {**context, "runAsUser": int(context["runAsUser"])}
    main = {
        "name": "main",
        "image": container["image"],
        "command": ["/kfp-launcher/launch", "--", *container["command"]],
        "args": container["args"],
        "resources": _resources(container.get("resources", {}), parameters),
        "env": list(_env(container, config)),
        "volumeMounts": mounts,
        "securityContext": copy.deepcopy(ENFORCED) | context,
    }
    if "imagePullPolicy" in config:
        main["imagePullPolicy"] = config["imagePullPolicy"]
    launcher = {
        "name": LAUNCHER,
        "image": "kfp-launcher:2.17.0",
        "volumeMounts": mounts[:1],
        "securityContext": copy.deepcopy(ENFORCED) | {"runAsNonRoot": True},
    }
    spec: Json = {
        "restartPolicy": "Never",
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [launcher],
        "containers": [main],
        "volumes": volumes,
    }
    if "activeDeadlineSeconds" in config:
        spec["activeDeadlineSeconds"] = int(config["activeDeadlineSeconds"])
    if "nodeSelector" in config:
        spec["nodeSelector"] = config["nodeSelector"]["labels"]
    if "tolerations" in config:
        spec["tolerations"] = config["tolerations"]
    if "imagePullSecret" in config:
        spec["imagePullSecrets"] = [
            {"name": one["secretName"]} for one in config["imagePullSecret"]
        ]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "task"}, "spec": spec}


def _resources(found: Json, parameters: Json) -> Json:
    resources: Json = {"requests": {}, "limits": {}}
    for key, (part, name) in {
        "resourceCpuRequest": ("requests", "cpu"),
        "resourceCpuLimit": ("limits", "cpu"),
        "resourceMemoryRequest": ("requests", "memory"),
        "resourceMemoryLimit": ("limits", "memory"),
    }.items():
        if key in found:
            resources[part][name] = found[key]
    if accelerator := found.get("accelerator"):
        kind, count = (
            parameters[re.sub(r".*pipelinechannel--(\w+).*", r"\1", accelerator[key])]
            for key in ("resourceType", "resourceCount")
        )
        resources["limits"][kind["defaultValue"]] = str(int(count["defaultValue"]))
    return resources


def _env(container: Json, config: Json) -> Iterator[Json]:
    yield from container.get("env", [])
    for secret in config.get("secretAsEnv", []):
        name = secret["secretNameParameter"]["runtimeValue"]["constant"]
        for pair in secret["keyToEnv"]:
            reference = {"name": name, "key": pair["secretKey"], "optional": secret["optional"]}
            yield {"name": pair["envVar"], "valueFrom": {"secretKeyRef": reference}}
