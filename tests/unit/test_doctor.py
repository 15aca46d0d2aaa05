"""What the doctor finds well, and what not."""

import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from towerflow import doctor
from towerflow.cli import app
from towerflow.doctor import examine
from towerflow.embedding import devices

EVERYWHERE = ["python", "torch", "transformers", "faiss", "onnxruntime", "pyarrow", "apache-beam"]
EVERYWHERE += ["kfp", "gpus", "memory", "temporary files", "user"]


def test_this_machine_is_well(tmp_path: Path) -> None:
    findings = {finding.name: finding for finding in examine([str(tmp_path)])}
    assert list(findings) == [*EVERYWHERE, str(tmp_path)]
    assert all(finding.is_well for finding in findings.values()), findings
    assert findings["torch"].detail.startswith(torch.__version__)
    assert list(tmp_path.iterdir()) == []  # what was written is gone


def test_a_root_that_cannot_be_written_is_found(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("not a folder", "utf-8")
    *_, last = examine([str(occupied)])
    assert not last.is_well
    assert last.name == str(occupied)


@pytest.mark.parametrize("root", ["typo/deep/root", ""])
def test_a_root_that_is_not_there_is_found_and_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    monkeypatch.chdir(tmp_path)
    *_, last = examine([root])
    assert not last.is_well
    assert last.detail == "NotADirectoryError: no folder of that name is there"
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_torch_does_not_see_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "nvidia0"
    device.touch()
    monkeypatch.setattr(devices, "NVIDIA_DEVICE", device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(RuntimeError, match="this torch is for CPUs"):
        doctor.gpus()
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(RuntimeError, match="this torch sees none"):
        doctor.gpus()


@pytest.mark.parametrize(
    ("text", "said"),
    [("max", "no limit"), ("9223372036854771712", "no limit"), ("6442450944", "6.4 GB")],
)
def test_the_limit_of_the_container_is_told(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(f"{text}\n", "utf-8")
    monkeypatch.setattr(doctor, "CGROUP_LIMITS", (tmp_path / "nowhere", limit))
    assert doctor.memory().startswith(f"{said}, /dev/shm ")


def test_a_full_disk_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=5 * 10**8)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(RuntimeError, match=r"has 0\.5 GB left"):
        doctor.temporary_files()


def test_the_command_ends_with_1_if_something_is_not_well(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    well = CliRunner().invoke(app, ["doctor", "--root", str(tmp_path)])
    ill = CliRunner().invoke(app, ["doctor", "--root", str(occupied)])
    assert (well.exit_code, ill.exit_code) == (0, 1)
    assert "FAIL" not in well.output
    assert f"FAIL {occupied}: " in ill.output
