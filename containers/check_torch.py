"""Ends the build if the torch that pip found is for other machines than the image."""

import sys

import torch

wanted = sys.argv[1]
found = "cuda" if torch.version.cuda else "cpu"
if found != wanted:
    sys.exit(
        f"torch {torch.__version__} is for {found}, and this is the image for {wanted}: set "
        "PIP_EXTRA_INDEX_URL, or PIP_FIND_LINKS, to where PyTorch has its builds for CPUs"
        if wanted == "cpu"
        else f"torch {torch.__version__} is for CPUs: pip found it before the one with CUDA"
    )
