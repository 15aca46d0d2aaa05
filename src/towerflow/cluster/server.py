"""Where Kubeflow Pipelines is, and how it is told who asks."""

import ssl
from collections.abc import Mapping
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from towerflow.cluster.task_settings import ObjectName, Variable
from towerflow.errors import InputError


def _host_and_port_exist(endpoint: str) -> str:
    """Raise ValueError for addresses that no name or socket has."""
    parts = urlsplit(endpoint)
    if parts.port == 0:  # larger than 65535: raised when asked for
        raise ValueError("port 0 is none that can be asked")
    host = parts.hostname or ""
    if parts.netloc.startswith("["):
        IPv6Address(host)
    elif not all(0 < len(label) <= 63 for label in host.removesuffix(".").split(".")):
        raise ValueError("a host has 1 to 63 characters between its dots")
    return endpoint


LONGEST_ANSWER: Final = 24 * 3600  # seconds; far more is too much for a socket

# Without a login in front of the host, which would be printed with every link, and without what may
# follow a path, to which links are appended.
Endpoint = Annotated[
    str,
    StringConstraints(pattern=r"^https?://([\w.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?(/[^\s?#]*)?$"),
    AfterValidator(_host_and_port_exist),
]


def _from_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:  # of a user that there is not
        raise ValueError(str(error)) from None


# As ~/.config/towerflow/prod-token: credentials lie beside no code.
HomePath = Annotated[Path, AfterValidator(_from_home)]


class NoAuth(BaseModel):
    """Nobody asks: a port-forward, or a single-user installation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["none"] = "none"


class TokenFile(BaseModel):
    """A bearer token, read from a file each time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["token-file"] = "token-file"
    path: HomePath


class CookieFile(BaseModel):
    """The cookies of a session behind Dex or oauth2-proxy, as a browser sends them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["cookie-file"] = "cookie-file"
    path: HomePath


class IdentityAwareProxy(BaseModel):
    """Google Cloud's IAP: kfp fetches a token for its client id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["iap"] = "iap"
    client_id: str = Field(min_length=1, description="OAuth client id of the proxy.")
    other_client_id: str = Field(default="", description="Of the desktop app that logs a user in.")
    other_client_secret_variable: Variable | None = Field(
        default=None, description="Environment variable that holds that app's secret."
    )


class InCluster(BaseModel):
    """A pod's own service account, by the token that Kubernetes mounts for Kubeflow Pipelines."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["in-cluster"] = "in-cluster"
    path: HomePath = Field(
        default=Path("/var/run/secrets/kubeflow/pipelines/token"),
        description="Of the projected token.",
    )


Auth = Annotated[
    NoAuth | TokenFile | CookieFile | IdentityAwareProxy | InCluster, Field(discriminator="kind")
]


class Server(BaseModel):
    """A Kubeflow Pipelines installation, and as whom runs run there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: Endpoint = Field(description="Of the API, as https://kubeflow.example.com/pipeline.")
    namespace: ObjectName = Field(
        default="kubeflow", description="Of the user, where Kubeflow is multi-user."
    )
    experiment: str = Field(default="towerflow", min_length=1)
    service_account: ObjectName | None = Field(
        default=None, description="Of the pods; None: the installation's."
    )
    pipeline_root: str = Field(default="", description="URI; empty: the installation's.")
    auth: Auth = NoAuth()
    ca_file: HomePath | None = Field(default=None, description="PEM, of a CA of one's own.")
    timeout_seconds: int = Field(
        default=60,
        ge=1,
        le=LONGEST_ANSWER,
        strict=True,
        description="How long one answer may take; kfp itself waits for ever.",
    )

    def link(self, page: str) -> str:
        """The address of a page of the UI, such as runs/details/<id>."""
        return f"{self.endpoint.rstrip('/')}/#/{page}"

    def check_credentials(self, variables: Mapping[str, str]) -> None:
        """See that what `auth` names is there, in files or among `variables` of the environment.

        Raises:
            InputError: a file or variable is missing, or holds something else.
        """
        if self.ca_file:
            _check_certificate(self.ca_file)
        match self.auth:
            case TokenFile(path=path) | InCluster(path=path):
                _check_line(path, "a token in one line, without spaces", spaces=False)
            case CookieFile(path=path):
                text = _check_line(path, "cookies in one line, as name=value; name=value")
                if "=" not in text:
                    raise InputError(path, expected="cookies as name=value", found="no =")
            case IdentityAwareProxy(other_client_secret_variable=str(variable)):
                if not variables.get(variable):
                    raise InputError(
                        variable,
                        expected="the secret of the IAP client in this environment variable",
                        found="nothing",
                    )


def _check_certificate(path: Path) -> None:
    """What whoever asks the server does with the file."""
    expected = "a CA in PEM (server.ca_file)"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        raise InputError(path, expected=expected, found="no certificate") from None
    except OSError as error:
        raise InputError(path, expected=expected, found=str(error.strerror)) from None
    if not context.cert_store_stats()["x509"]:  # but lists of what is revoked
        raise InputError(path, expected=expected, found="no certificate")


def _check_line(path: Path, expected: str, *, spaces: bool = True) -> str:
    """The text of a file, which goes into a header of HTTP."""
    try:
        text = path.read_text("utf-8").strip()
    except OSError as error:
        raise InputError(path, expected=expected, found=str(error.strerror)) from None
    except UnicodeDecodeError:
        raise InputError(path, expected=expected, found="no text") from None
    if not text:
        raise InputError(path, expected=expected, found="an empty file")
    if not (text.isascii() and text.isprintable()) or (" " in text and not spaces):
        raise InputError(path, expected=expected, found="other characters or lines")
    return text
