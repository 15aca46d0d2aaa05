"""What is in the image, what is not, and that it runs as a restricted pod."""

import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.containers.conftest import run_held

ROOT = Path(__file__).parents[2]
PACKAGES = "/opt/venv/lib/python3.11/site-packages"
# Imports every compiled module of a package, stripped or not, and prints how many there were.
LOAD_ALL = """
import importlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
found = [p for p in (root / sys.argv[2]).rglob("*.cpython-*.so")]
for path in found:
    importlib.import_module(str(path.relative_to(root)).split(".")[0].replace("/", "."))
print(len(found))
"""


@pytest.fixture(scope="module")
def described(client: Any, image: str) -> dict[str, Any]:
    """What Docker says of the image."""
    found: dict[str, Any] = client.images.get(image).attrs
    return found


def test_it_has_at_most_1600_megabytes(described: dict[str, Any]) -> None:
    assert 0.5e9 < described["Size"] <= 1.6e9


def test_its_user_is_a_number_and_not_root(described: dict[str, Any]) -> None:
    assert described["Config"]["User"] == "65532:65532"


def test_its_labels_say_what_it_was_made_of(described: dict[str, Any]) -> None:
    head = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    labels = described["Config"]["Labels"]
    assert labels["org.opencontainers.image.revision"].removesuffix("-dirty") == head
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.base.name"]
    source = labels["org.opencontainers.image.source"]
    assert "@" not in source.partition("://")[2].partition("/")[0]  # no one's password


def test_the_code_is_a_small_layer_of_its_own(client: Any, image: str) -> None:
    layers = [layer for layer in client.images.get(image).history() if layer["Size"]]
    code, dependencies = layers[0], layers[1]
    assert code["Size"] < 20e6
    assert dependencies["Size"] > 500e6


def test_nothing_of_the_build_s_settings_stays(client: Any, image: str) -> None:
    written = str(client.images.get(image).history()) + str(client.images.get(image).attrs)
    assert "PIP_" not in written


def test_the_doctor_finds_it_well_without_root_network_or_a_disk_to_write(
    client: Any, image: str
) -> None:
    printed = run_held(client, image, "towerflow", "doctor")
    assert "ok   user: 65532" in printed
    assert "ok   apache-beam" in printed
    assert "FAIL" not in printed


def test_the_doctor_of_an_ill_container_says_so(client: Any, image: str) -> None:
    with pytest.raises(docker.errors.ContainerError) as caught:
        run_held(client, image, "towerflow", "doctor", "--root", "/opt")
    assert caught.value.exit_status == 1


@pytest.mark.parametrize("tool", ["gcc", "make", "strip"])
def test_nothing_can_be_built_in_it(client: Any, image: str, tool: str) -> None:
    assert run_held(client, image, "sh", "-c", f"command -v {tool} || echo none") == "none\n"


def test_its_environment_has_no_pip(client: Any, image: str) -> None:
    with pytest.raises(docker.errors.ContainerError, match="No module named pip"):
        run_held(client, image, "python3", "-m", "pip", "--version")


def test_it_has_the_code_and_nothing_else_of_the_repository(client: Any, image: str) -> None:
    modules = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*.py")}
    script = f"cd {PACKAGES} && find towerflow -name '*.py'"
    assert set(run_held(client, image, "sh", "-c", script).split()) == modules
    others = run_held(client, image, "sh", "-c", f"ls {PACKAGES} /opt /tmp")
    assert not {"tests", "benchmarks", "docs", ".git"} & set(others.split())


@pytest.mark.parametrize("package", ["apache_beam", "fastavro", "pyarrow", "zstandard"])
def test_every_compiled_module_that_was_stripped_loads(
    client: Any, image: str, package: str
) -> None:
    printed = run_held(client, image, "python3", "-c", LOAD_ALL, PACKAGES, package)
    assert int(printed.split()[-1]) > 0


def test_beam_s_starter_is_of_the_beam_that_is_installed() -> None:
    dockerfile = (ROOT / "containers" / "Dockerfile.beam").read_text("utf-8")
    assert f"ARG BEAM_SDK=apache/beam_python3.11_sdk:{version('apache-beam')}\n" in dockerfile


def test_the_image_of_beam_s_workers_is_that_of_the_steps_with_beam_s_starter(
    client: Any, image: str, tmp_path: Path
) -> None:
    boot = tmp_path / "boot"
    boot.write_text(
        "#!/opt/venv/bin/python3\nimport os, apache_beam\n"
        "assert os.environ['RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT'], 'boot makes a venv'\n"
        "print(apache_beam.__version__)\n",
        "utf-8",
    )
    boot.chmod(0o755)
    dockerfile = f"FROM {image}\nCOPY boot /opt/apache/beam/boot\n"
    (tmp_path / "Dockerfile").write_text(dockerfile, "utf-8")
    client.images.build(path=str(tmp_path), tag="towerflow-test:beam-sdk", rm=True)
    client.images.build(
        path=str(ROOT),
        dockerfile="containers/Dockerfile.beam",
        tag="towerflow-test:beam",
        buildargs={"STEPS": image, "BEAM_SDK": "towerflow-test:beam-sdk"},
        rm=True,
    )
    assert run_held(client, "towerflow-test:beam").split()[-1] == version("apache-beam")
