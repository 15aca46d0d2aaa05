"""A Kubeflow Pipelines server through kfp.Client, with its errors in sentences."""

import json
import os
import socket
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kfp_server_api
from kfp.client import Client, ServiceAccountTokenVolumeCredentials
from kfp_server_api.rest import urllib3

CONNECT_SECONDS = 10
PAGE = 100
MOST_PAGES = 10
SAID = 300  # characters of what the server says
SHORTEST_SECRET = 8  # characters of a cookie; less, as lang=e, would be blotted out of every word
UNSURE = "whether it was done is not known: look with `towerflow {look}` before you repeat it"
# Nothing was sent; after any other fault of the network it may have been.
NOT_CONNECTED = (
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.SSLError,
)

Json = dict[str, Any]


class Refused(Exception):  # noqa: N818 (reads better where it is caught)
    """What goes into the answer instead of a result.

    Args:
        sentence: for the user.
        kind: mistake, if the user has to change something; conflict, if there is one of that
            name already; or failure.
        passing: it may be gone when asked again.
    """

    def __init__(self, sentence: str, kind: str = "failure", *, passing: bool = False) -> None:
        super().__init__(" ".join(sentence.split()))
        self.kind = kind
        self.passing = passing


class TooMany(Refused):
    """A list goes on after what is read of it.

    Args:
        sentence: for the user.
        seen: how many were read.
    """

    def __init__(self, sentence: str, seen: int) -> None:
        super().__init__(sentence)
        self.seen = seen


class QuietClient(Client):
    """kfp's client, without what it does unasked."""

    config: kfp_server_api.Configuration  # holds what is sent in the header Authorization

    def _load_context_setting_or_default(self) -> None:
        # Neither the namespace and cookies that some other cluster left in ~/.config/kfp, nor a
        # request in the constructor, which it makes where no namespace is known.
        self._context_setting = {"namespace": "named by each request"}

    def _load_config(self, *arguments: Any) -> kfp_server_api.Configuration:
        config = super()._load_config(*arguments)
        # Only what reads is sent twice, so that no run is doubled. A redirect is a login page.
        config.retries = urllib3.Retry(
            total=3,
            redirect=False,
            status_forcelist=(429, 502, 503, 504),
            allowed_methods=("GET",),
            backoff_factor=0.3,
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        self.config = config
        return config


class Server:
    """A server, and errors in sentences."""

    def __init__(self, settings: Json) -> None:
        self.settings = settings
        self.auth: Json = settings["auth"]
        self.namespace: str = settings["namespace"]
        self.endpoint: str = settings["endpoint"].rstrip("/")
        # For what kfp asks others, such as a token of Google: it sets no limit there either.
        socket.setdefaulttimeout(settings["timeout_seconds"])
        warnings.filterwarnings("ignore", category=FutureWarning)  # kfp: needs a server from 2.0 on
        self.client = self._connected()

    def _connected(self) -> QuietClient:
        auth = self.auth
        credentials, cookies = None, ""
        if auth["kind"] in ("token-file", "in-cluster"):
            # Reads the file for each request: tokens are renewed while a run is waited for.
            credentials = ServiceAccountTokenVolumeCredentials(auth["path"])
        elif auth["kind"] == "cookie-file":
            cookies = Path(auth["path"]).read_text("utf-8").strip()
        try:
            return QuietClient(
                host=self.endpoint,
                namespace=self.namespace,
                client_id=auth.get("client_id"),
                other_client_id=auth.get("other_client_id") or None,
                other_client_secret=os.environ.get(
                    auth.get("other_client_secret_variable") or "", None
                ),
                credentials=credentials,
                cookies=cookies,
                ssl_ca_cert=self.settings["ca_file"],
            )
        except Exception as error:
            # google-auth, requests and a prompt for a code, each with errors of its own.
            told = f"{type(error).__name__}: {self.redacted(str(error))[:SAID]}"
            raise Refused(f"{self.endpoint}: cannot log in with {auth['kind']}: {told}") from None

    def ask(self, doing: str, method: Callable[..., Any], look: str = "", **given: Any) -> Any:
        """The answer of one method of the API.

        Args:
            doing: in words, for the sentence.
            method: of a generated API.
            look: command that shows what was done, if it changes something.
            given: arguments of the method.
        """
        unsure = f"; {UNSURE.format(look=look)}" if look else ""
        timeout = (CONNECT_SECONDS, self.settings["timeout_seconds"])
        try:
            answer = method(**given, _request_timeout=timeout)
        except kfp_server_api.ApiException as error:
            raise self._refusal(doing, error, unsure) from None
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            told = str(reason).rsplit(">: ", 1)[-1]
            sent = not isinstance(reason, NOT_CONNECTED)
            raise Refused(
                f"{self.endpoint}: no answer when asked to {doing}: "
                f"{self.redacted(told)[:SAID]}{unsure if sent else ''}",
                passing=True,
            ) from None
        except OSError as error:
            raise Refused(f"{error.filename}: {error.strerror}", "mistake") from None
        self._see_json(doing, method.__self__.api_client.last_response.data)
        return answer

    def _see_json(self, doing: str, data: str) -> None:
        """A page with status 200 would be read as an answer without fields."""
        try:
            json.loads(data)
        except ValueError:
            raise Refused(
                f"{self.endpoint}: answered with a page when asked to {doing}: this is a login "
                f"page or not the API; see server.endpoint, and {self._advice()}"
            ) from None

    def _refusal(self, doing: str, error: kfp_server_api.ApiException, unsure: str) -> Refused:
        status = error.status
        said = self.redacted(_said(error.body))[:SAID].rstrip(".")
        where = f"{self.endpoint}: "
        colon = f": {said}" if said else ""
        match status:
            case 400:
                return Refused(f"{where}refused to {doing} (400){colon}", "mistake")
            case 404:
                return Refused(
                    f"{where}found nothing to {doing} (404){colon}; see server.endpoint too",
                    "mistake",
                )
            case 401:
                return Refused(f"{where}does not know who asks (401){colon}; {self._advice()}")
            case 403:
                return Refused(
                    f"{where}may not {doing} in namespace {self.namespace} (403){colon}; its owner "
                    "can make this account a contributor, or server.namespace is another"
                )
            case 409:
                said = f"{where}there is one already (409), cannot {doing}{colon}"
                return Refused(said, "conflict")
            case int() if 300 <= status < 400:
                return Refused(
                    f"{where}sent on to another page when asked to {doing} ({status}), as if "
                    f"nobody were logged in; see server.endpoint, and {self._advice()}"
                )
        return Refused(
            f"{where}could not {doing} ({status} {error.reason or ''}){colon}{unsure}",
            passing=status >= 500 or status == 429,
        )

    def _advice(self) -> str:
        auth = self.auth
        return {
            "none": "server.auth is none, but it wants a login",
            "token-file": f"put a new token into {auth.get('path')}",
            "cookie-file": f"log in with a browser and copy its cookies into {auth.get('path')}",
            "iap": "see server.auth.client_id and the role IAP-secured Web App User",
            "in-cluster": f"{auth.get('path')} needs a token for audience pipelines.kubeflow.org",
        }[auth["kind"]]

    def _secrets(self) -> set[str]:
        """What may be in no sentence: what the files hold now, and what was sent before."""
        texts = []
        if "path" in self.auth:
            texts.append(Path(self.auth["path"]).read_text("utf-8").strip())
        if variable := self.auth.get("other_client_secret_variable"):
            texts.append(os.environ[variable])
        if client := getattr(self, "client", None):  # none yet while it logs in
            texts += [*client.config.api_key.values(), client.runs.api_client.cookie]
        found = {text for text in texts if text}
        if self.auth["kind"] != "cookie-file":
            return found
        pairs = [pair.partition("=")[2].strip() for text in found for pair in text.split(";")]
        return {text for text in (*found, *pairs) if len(text) >= SHORTEST_SECRET}

    def redacted(self, text: str) -> str:
        """Without secrets, which servers and proxies like to repeat."""
        try:
            secrets = self._secrets()
        except OSError:
            return "what it said is left out, since the credentials cannot be read to hide them"
        for secret in sorted(secrets, key=len, reverse=True):  # one may be part of another
            text = text.replace(secret, "***")
        return text

    def pages(
        self, doing: str, method: Callable[..., Any], field: str, **given: Any
    ) -> Iterator[Any]:
        """All there are in a list.

        Raises:
            TooMany: after the first thousand, if there are more.
        """
        token = ""
        for _ in range(MOST_PAGES):
            answer = self.ask(doing, method, page_token=token, page_size=PAGE, **given)
            yield from getattr(answer, field) or []
            token = answer.next_page_token or ""
            if not token:
                return
        seen = MOST_PAGES * PAGE
        raise TooMany(
            f"{self.endpoint}: there are more than {seen:,} entries when asked to {doing}, and no "
            "more are read; delete old ones in the UI, or take another server.experiment",
            seen,
        )

    def experiment(self, *, create: bool) -> str | None:
        """Id of the experiment.

        Args:
            create: if there is none; and refuse one that is archived, where what starts would be
                seen by nobody.
        """
        name = self.settings["experiment"]
        api = self.client.experiments
        found = self.ask(
            f"look for experiment {name}",
            api.experiment_service_list_experiments,
            namespace=self.namespace,
            filter=_named(name),
        )
        if found.experiments:
            there = found.experiments[0]
            if create and there.storage_state == "ARCHIVED":
                raise Refused(
                    f"{self.endpoint}: experiment {name} is archived; restore it in the UI, or "
                    "take another server.experiment",
                    "mistake",
                )
            return str(there.experiment_id)
        if not create:
            return None
        made = self.ask(
            f"create experiment {name}",
            api.experiment_service_create_experiment,
            look="runs",
            experiment={"display_name": name, "namespace": self.namespace},
        )
        return str(made.experiment_id)

    def pipeline(self, name: str) -> str | None:
        """Id of a pipeline."""
        found = self.ask(
            f"look for pipeline {name}",
            self.client.pipelines.pipeline_service_list_pipelines,
            namespace=self.namespace,
            filter=_named(name),
        )
        return str(found.pipelines[0].pipeline_id) if found.pipelines else None

    def version(self, pipeline: str, name: str) -> Any:
        """A version of a pipeline, by the pipeline's id."""
        found = self.ask(
            f"look for version {name}",
            self.client.pipelines.pipeline_service_list_pipeline_versions,
            pipeline_id=pipeline,
            filter=_named(name),
        )
        return found.pipeline_versions[0] if found.pipeline_versions else None

    def reference(self, pipeline: str, version: str | None) -> Json:
        """Ids of what has been uploaded."""
        ids = {"pipeline_id": self.pipeline(pipeline)}
        upload = "run `towerflow upload` first"
        if ids["pipeline_id"] is None:
            raise Refused(
                f"{self.endpoint}: no pipeline {pipeline} in namespace {self.namespace}; {upload}",
                "mistake",
            )
        if version is not None:
            found = self.version(ids["pipeline_id"], version)
            if found is None:
                raise Refused(
                    f"{self.endpoint}: pipeline {pipeline} has no version {version}; {upload}",
                    "mistake",
                )
            ids["pipeline_version_id"] = str(found.pipeline_version_id)
        return ids


def _named(name: str) -> str:
    """A filter of the API."""
    predicate = {"operation": "EQUALS", "key": "display_name", "string_value": name}
    return json.dumps({"predicates": [predicate]})


def _said(body: str | None) -> str:
    """The message in an error of the API; nothing, if it is a page."""
    try:
        answer = json.loads(body or "")
    except ValueError:
        return ""
    message = answer.get("message") or answer.get("error") if isinstance(answer, dict) else ""
    return " ".join(str(message or "").split())
