"""Whole commands measured from outside, and bars as every benchmark prints them."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

SAMPLE_SECONDS = 0.25


def bar(name: str, value: float, unit: str, target: str, *, holds: bool) -> dict[str, Any]:
    """One bar of the report."""
    return {"bar": name, "value": round(value, 4), "unit": unit, "target": target, "holds": holds}


def measured(command: list[str], folder: Path, env: dict[str, str]) -> tuple[float, float, str]:
    """Seconds, peak memory in GB summed over all its processes, and the output of `command`."""
    print(f"$ {' '.join(command)}", flush=True)
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    peak = [0]
    watcher = threading.Thread(target=watch, args=(psutil.Process(process.pid), peak))
    watcher.start()
    output, _ = process.communicate()
    seconds = time.monotonic() - started
    watcher.join()
    if process.returncode:
        sys.exit(f"{output}\n{' '.join(command)} failed")
    return seconds, peak[0] / 1e9, output


def watch(process: psutil.Process, peak: list[int]) -> None:
    """Note the highest sum of resident memory of `process` and its children."""
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        total = 0
        with contextlib.suppress(psutil.NoSuchProcess):  # it may end at any moment
            for member in [process, *process.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    total += member.memory_info().rss
        peak[0] = max(peak[0], total)
        time.sleep(SAMPLE_SECONDS)


def report(name: str, bars: list[dict[str, Any]]) -> None:
    """A table for people, then one line for machines."""
    for entry in bars:
        mark = "holds" if entry["holds"] else "MISSED"
        value = f"{entry['value']:>10} {entry['unit']:<3}"
        print(f"{entry['bar']:<52}{value} {entry['target']:<8}{mark}")
    print(json.dumps({"name": name, "bars": bars}))
