"""One folder per step: a thin KFP face of `towerflow.steps.<step>`, and its contract."""
