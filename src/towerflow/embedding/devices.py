"""The machine's devices, and what the makers of GPUs say of theirs."""

from pathlib import Path
from typing import Final

import torch

NVIDIA_DEVICE: Final = Path("/dev/nvidia0")  # the driver below /proc is the node's, not the pod's

# Dense bfloat16 products a second, from NVIDIA's data sheets (float16 where a GPU has no bfloat16);
# the first name that stands in the device's own is meant.
PEAK_FLOPS: Final = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10G": 70e12,
    "A10": 125e12,
    "V100": 125e12,
    "T4": 65e12,
}


def devices() -> list[str]:
    """Every GPU of this machine, or the CPU."""
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())] or ["cpu"]


def unreachable_gpu() -> str:
    """Why torch does not reach the GPU of NVIDIA that is here; empty: it does, or none is."""
    if torch.cuda.device_count() or not NVIDIA_DEVICE.exists():
        return ""
    why = "is for CPUs" if torch.version.cuda is None else "sees none"
    return f"there is a GPU of NVIDIA, but this torch {why}"


def peak_flops(device_name: str) -> float | None:
    """Peak of the GPU of that name; None for what is not in the list."""
    return next((peak for name, peak in PEAK_FLOPS.items() if name in device_name), None)


def device_peak(device: str) -> float | None:
    """Peak of a device of this machine, if it is known."""
    return peak_flops(torch.cuda.get_device_name(device)) if device != "cpu" else None
