"""KFP face of `towerflow.steps.embed_items`."""

from kfp import dsl

from components.images import GPU_IMAGE


@dsl.component(base_image=GPU_IMAGE, install_kfp_package=False)
def embed_items(
    dataset: dsl.Input[dsl.Dataset],
    encoder: str,
    max_tokens: int,
    embedding_store: str,
    shard: int,
    num_shards: int,
    item_embeddings: dsl.Output[dsl.Artifact],
):
    """Embed one shard of the items with the frozen LLM."""
    from pathlib import Path

    from towerflow.steps.embed_items import embed_items

    embed_items(
        dataset=Path(dataset.path),
        encoder=encoder,
        max_tokens=max_tokens,
        embedding_store=embedding_store,
        shard=int(shard),  # kfp.local hands the numbers of a loop over as floats
        num_shards=num_shards,
        item_embeddings=Path(item_embeddings.path),
    )
