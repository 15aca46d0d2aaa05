"""A service needs NumPy, faiss, ONNX Runtime and pyarrow: nothing that training needs."""

import json
import subprocess
import sys

import pytest

from tests.conftest import Run
from towerflow.retrieval.release import Release

# What only training, pipelines and the command line need.
BLOCKED = [
    "torch",
    "kfp",
    "transformers",
    "apache_beam",
    "safetensors",
    "onnx",
    "onnxscript",
    "typer",
    "rich",
    "jinja2",
    "yaml",
    "tokenizers",
    "huggingface_hub",
    "accelerate",
    "gguf",
]

SERVICE = """
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.request import urlopen

from towerflow.retrieval.release import Release

release = Release.open(sys.argv[1], num_threads=1)


class Service(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = [vars(item) for item in release.recommend(**asked)]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(found).encode())


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
"""

ASK = """
Thread(target=server.serve_forever, daemon=True).start()
for asked in json.loads(sys.argv[2]):
    url = f"http://127.0.0.1:{server.server_port}/"
    print(urlopen(url, json.dumps(asked).encode()).read().decode())
server.shutdown()
"""

ASKED = [
    {"history": ["T31", "T32"], "k": 5},
    {"user": "user01", "k": 3, "deny": ["G17", "G12"]},
    {"history": ["K01", "new"], "allow": ["K02", "K03", "T31"]},
]


def without(modules: list[str], script: str, *arguments: str) -> str:
    """What `script` prints where those can't be imported."""
    block = f"import sys\nfor name in {modules}:\n    sys.modules[name] = None\n"
    done = subprocess.run(
        [sys.executable, "-c", block + script, *arguments],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_service_of_twenty_lines_answers_as_the_release_does(shop_run: Run) -> None:
    assert len(list(filter(None, SERVICE.splitlines()))) <= 20
    uri = str(shop_run.release_root)
    printed = without(BLOCKED, SERVICE + ASK, uri, json.dumps(ASKED))
    release = Release.open(uri, num_threads=1)
    found = [json.loads(line) for line in printed.splitlines()]
    assert [len(one) for one in found] == [5, 3, 3]
    for answer, asked in zip(found, ASKED, strict=True):
        expected = [vars(item) for item in release.recommend(**asked)]  # type: ignore[arg-type]
        assert [one["item_id"] for one in answer] == [one["item_id"] for one in expected]
        assert [one["title"] for one in answer] == [one["title"] for one in expected]
        assert [one["score"] for one in answer] == pytest.approx(
            [one["score"] for one in expected], abs=1e-6
        )


def test_similar_items_users_and_names_need_no_more(shop_run: Run) -> None:
    script = """
from towerflow.retrieval.release import Release
release = Release.open(sys.argv[1], num_threads=1)
print(release.similar("K01", k=1)[0].item_id)
print(release.user_vectors(release.user_ids[:2]).shape)
print(release.names.ids[release.names.find("bread knife")])
"""
    release = Release.open(shop_run.release_root)
    printed = without(BLOCKED, script, str(shop_run.release_root)).splitlines()
    assert printed == [release.similar("K01", k=1)[0].item_id, "(2, 8)", "K02"]


def test_what_is_blocked_is_really_missing() -> None:
    """Else the tests above would show nothing."""
    script = """
for name in sys.argv[1].split():
    try:
        __import__(name)
    except ImportError:
        print(name)
"""
    assert without(BLOCKED, script, " ".join(BLOCKED)).split() == BLOCKED
