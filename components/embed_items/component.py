"""KFP face of `towerflow.steps.embed_items`."""

from kfp import dsl

from components.images import GPU_IMAGE


@dsl.component(base_image=GPU_IMAGE, install_kfp_package=False)
def embed_items(
    dataset: dsl.Input[dsl.Dataset],
    encoder: str,
    encoder_fingerprint: str,
    pooling: str,
    layer: int,
    prompt: str,
    l2: str,
    max_tokens: int,
    precision: str,
    embedding_store: str,
    shard: int,
    num_shards: int,
    item_embeddings: dsl.Output[dsl.Artifact],
    counts: dsl.Output[dsl.Metrics],
):
    """Embed one shard of the items with the frozen LLM."""
    import json
    from pathlib import Path

    from towerflow.steps.embed_items import embed_items

    embed_items(
        dataset=Path(dataset.path),
        encoder=encoder,
        encoder_fingerprint=encoder_fingerprint,
        pooling=pooling,
        layer=layer,
        prompt=prompt,
        l2=l2,
        max_tokens=max_tokens,
        precision=precision,
        embedding_store=embedding_store,
        shard=int(shard),  # kfp.local hands the numbers of a loop over as floats
        num_shards=num_shards,
        item_embeddings=Path(item_embeddings.path),
        counts=Path(counts.path),
    )
    for name, value in json.loads(Path(counts.path).read_text("utf-8")).items():
        counts.log_metric(name, value)
