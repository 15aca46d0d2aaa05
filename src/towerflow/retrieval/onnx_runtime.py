"""onnxruntime, without the telemetry that it would begin when it is imported."""

import os

# Version 1.31 keeps a device id in the user's cache and tells its maker of sessions; whoever wants
# that sets the variable to 0. There is no other way to say so before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

__all__ = ["onnxruntime"]
