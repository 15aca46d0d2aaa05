"""A loopback proxy in front of a server of an object store that breaks requests on purpose."""

import http.client
import json
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Fault(StrEnum):
    """What can go wrong with one request."""

    UNAVAILABLE = "503"
    TOO_MANY = "429"
    RESET = "connection reset, nothing done"
    LOST_ANSWER = "done, then connection reset"
    TRUNCATED = "answer cut short"
    STALL = "done, the answer comes too late"
    LATE = "done after the client has given up"
    BAD_ANSWER = "a byte of the answer changed"
    BAD_UPLOAD = "a byte of the upload changed"


STATUS = {Fault.UNAVAILABLE: 503, Fault.TOO_MANY: 429}
EVERYWHERE = (Fault.UNAVAILABLE, Fault.TOO_MANY, Fault.RESET, Fault.LOST_ANSWER, Fault.STALL)


class FaultProxy:
    """Passes requests on to `upstream`; a share of `rate` of them meets one of `faults`.

    Attributes:
        injected: how often each happened.
        requests: how many there were.
    """

    def __init__(
        self,
        upstream: str,
        *,
        rate: float = 0.2,
        faults: Sequence[Fault] = tuple(Fault),
        seed: int = 0,
        stall: float = 1.0,
    ) -> None:
        self.upstream = upstream
        self.rate = rate
        self.faults = faults
        self.stall = stall
        self.injected: Counter[Fault] = Counter()
        self.requests = 0
        self.url = ""
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    @contextmanager
    def running(self) -> Iterator[str]:
        """Its address."""
        handler = type("Handler", (_Handler,), {"proxy": self})
        server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self.url
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def draw(self, possible: Sequence[Fault]) -> Fault | None:
        """What happens to a request to which `possible` faults can happen."""
        with self._lock:
            self.requests += 1
            kinds = [fault for fault in self.faults if fault in possible]
            if not kinds or self._random.random() >= self.rate:
                return None
            # The kinds that few requests can meet come as often as the others.
            weights = [1 if fault in EVERYWHERE else 4 for fault in kinds]
            [fault] = self._random.choices(kinds, weights)
            self.injected[fault] += 1
            return fault

    def position(self, start: int, end: int) -> int:
        """A place in between."""
        with self._lock:
            return self._random.randrange(start, end)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """A client that went away is what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultProxy

    def do_GET(self) -> None:
        self._handle()

    do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Silence."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        payload = self._payload(body)
        fault = self.proxy.draw(self._possible(payload))
        if fault in STATUS:
            return self._answer(STATUS[fault], [], b"try later")
        if fault == Fault.RESET:
            return self._reset()
        if fault == Fault.BAD_UPLOAD:
            body = self._changed(body, *payload)
        if fault == Fault.LATE:
            time.sleep(self.proxy.stall)
        status, headers, content = self._forward(body)
        if fault in (Fault.LOST_ANSWER, Fault.LATE):
            return self._reset()
        if fault == Fault.STALL:
            time.sleep(self.proxy.stall)
        if fault == Fault.BAD_ANSWER and status < 300 and content:
            content = self._changed(content, 0, len(content))
        self._answer(status, headers, content, cut=fault == Fault.TRUNCATED)

    def _payload(self, body: bytes) -> tuple[int, int]:
        """Where in the body the object's bytes stand."""
        if self.command not in ("PUT", "POST") or "delete" in self.path.split("?")[-1]:
            return 0, 0
        boundary = re.search(r'boundary="?([^";]+)', self.headers.get("Content-Type", ""))
        if boundary:
            start = body.index(b"\r\n\r\n", body.index(b"\r\n\r\n") + 4) + 4
            return start, body.rindex(b"\r\n--" + boundary[1].encode())
        is_metadata = self.command == "POST"  # a session or an end of parts
        return (0, 0) if is_metadata else (0, len(body))

    def _possible(self, payload: tuple[int, int]) -> list[Fault]:
        possible = list(EVERYWHERE)
        if self.command == "GET" or self.path.startswith(
            "/upload"
        ):  # others are answered by headers
            possible.append(Fault.TRUNCATED)
        if payload[0] < payload[1]:
            possible.append(Fault.BAD_UPLOAD)
        is_list = "list-type" in self.path or re.search(r"/o/?(\?|$)", self.path)
        is_media = "alt=media" in self.path or (
            not self.path.startswith("/storage") and not is_list
        )
        if self.command == "GET" and is_media:
            possible.append(Fault.BAD_ANSWER)
        # "If absent" holds again after a deletion: such a request may come late at no time.
        creates = "ifGenerationMatch=0" in self.path or "If-None-Match" in self.headers
        if self.command in ("PUT", "POST", "DELETE") and not creates:
            possible.append(Fault.LATE)
        return possible

    def _changed(self, body: bytes, start: int, end: int) -> bytes:
        at = self.proxy.position(start, end)
        return body[:at] + bytes([body[at] ^ 0x20]) + body[at + 1 :]

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        host = urlsplit(self.proxy.upstream).netloc
        connection = http.client.HTTPConnection(host, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        if self._deletes_another(connection):
            return 412, [], b"{}"
        connection.request(self.command, self.path, body, {**headers, "Host": host})
        answer = connection.getresponse()
        content = answer.read()
        named = [
            (name, value.replace(self.proxy.upstream, self.proxy.url))
            for name, value in answer.getheaders()
            if name.lower() not in ("transfer-encoding", "connection", "content-length")
        ]
        if self.command == "HEAD":
            named.append(("Content-Length", answer.getheader("Content-Length") or "0"))
        connection.close()
        return answer.status, named, content

    def _deletes_another(self, connection: http.client.HTTPConnection) -> bool:
        """Whether a delete names another generation: Google's store refuses, fake-gcs-server not.

        On a busy machine one that was given up does come late.
        """
        path, _, query = self.path.partition("?")
        wanted = parse_qs(query).get("ifGenerationMatch")
        if self.command != "DELETE" or wanted is None:
            return False
        connection.request("GET", path)
        answer = connection.getresponse()
        content = answer.read()
        return answer.status == 200 and json.loads(content)["generation"] != wanted[0]

    def _answer(
        self, status: int, headers: list[tuple[str, str]], content: bytes, cut: bool = False
    ) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if cut:
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
        elif self.command != "HEAD":
            self.wfile.write(content)

    def _reset(self) -> None:
        """Close so that the client sees a broken connection, not an end."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()
