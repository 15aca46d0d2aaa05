"""The images that the components run in, read from the environment when a pipeline is compiled.

They end up as literals in the YAML: KFP's cache key holds the image string, so a digest or a
commit tag makes new code a new key (docs/adr/0002).
"""

import os

CPU_IMAGE = os.environ.get("TOWERFLOW_CPU_IMAGE", "towerflow-cpu:dev")
GPU_IMAGE = os.environ.get("TOWERFLOW_GPU_IMAGE", "towerflow-gpu:dev")
