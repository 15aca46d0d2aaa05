"""The DAGs, and `python -m pipelines` to compile and run them."""
