"""The steps of the pipelines, each a plain function: paths in, paths out."""
