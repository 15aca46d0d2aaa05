"""A Kubeflow cluster, as an environment file describes it. Knows nothing of kfp."""
