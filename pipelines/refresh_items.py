"""`refresh_items`: new and changed items into the live index, without training."""

from typing import List, NamedTuple  # noqa: UP035 (kfp reads this spelling)

from kfp import dsl

from components.champion.component import champion
from components.embed_items.component import embed_items
from components.export_index.component import export_index
from components.preprocess.component import preprocess
from components.publish.component import publish
from pipelines.cluster import on_cluster


class Outputs(NamedTuple):
    """What the pipeline hands back."""

    dataset: dsl.Dataset
    rejected: dsl.Dataset
    counts: dsl.Metrics


@dsl.pipeline(name="towerflow-refresh-items", display_name="Towerflow: refresh items")
def refresh_items(
    items: str,
    interactions: str,
    data_version: str,
    encoder: str,
    embedding_store: str,
    release_root: str,
    gpu_type: str = "nvidia.com/gpu",
    gpu_count: int = 1,
    preset: str = "",
    columns: List[str] = [],  # noqa: UP006, B006
    item_template: str = "plain",
    min_rating: float = 0.0,
    repeats: str = "first",
    bot_quantile: float = 1.0,
    max_history: int = 0,
    min_user_interactions: int = 3,
    min_item_interactions: int = 1,
    max_rejected_share: float = 0.05,
    unknown_items: str = "reject",
    index_kind: str = "auto",
    recall_target: float = 0.99,
    index_memory: int = 0,
    export_formats: List[str] = [],  # noqa: UP006, B006
    beam_runner: str = "DirectRunner",
    beam_options: List[str] = [],  # noqa: UP006, B006
) -> Outputs:
    """New and changed items into the live index, without training.

    1. Champion: the model of the live release, and how its texts were embedded.
    2. Preprocess the data of today, and tell what is new, changed and gone.
    3. Embed items: the frozen LLM reads new and changed texts alone.
    4. Export the index: the live model's item tower over the catalogue of today,
    5. and publish it.

    Args:
        items: File, folder or glob: item_id and title, brand, categories or description.
        interactions: File, folder or glob: user_id, item_id, timestamp.
        data_version: Version of items, interactions and encoder; a new value makes KFP read anew.
        encoder: The frozen LLM that the live model was trained with, where it lies today.
        embedding_store: Root of the embedding store, local or gs://, shared by all runs.
        release_root: Where releases are published, by retrain before: a folder, gs:// or s3://.
        gpu_type: Resource name of the GPUs, as nvidia.com/gpu.
        gpu_count: GPUs that embed, one process each; 0: none, on the CPU.
        preset: Layout of a public dump (amazon-2014, -2018, -2023, movielens); empty: your own.
        columns: Your column names, each as "item_id=asin" or "description=text+features".
        item_template: What the LLM reads of an item; the same as when the model was trained.
        min_rating: Interactions rated lower are left out; 0: ratings are not read.
        repeats: Of a user's interactions with the same item keep first, last or all.
        bot_quantile: Users with longer histories than this quantile are left out; 1: nobody.
        max_history: Most recent interactions of a user that are kept; 0: all.
        min_user_interactions: Users with fewer interactions are left out …
        min_item_interactions: … and items with fewer, over and over until all have enough (k-core).
        max_rejected_share: Share of unusable rows, 0 to 1, above which the run stops.
        unknown_items: Interactions with items that are gone, "reject" or "error".
        index_kind: How items are searched: auto, exact, ivf, ivf_sq8, ivf_pq or hnsw.
        recall_target: Share of a user's 100 best items that the index has to find.
        index_memory: Megabytes that the index may take when served; 0: any.
        export_formats: Write vectors for other services too: "parquet", "vertex".
        beam_runner: Where Beam runs: DirectRunner, DataflowRunner, FlinkRunner, SparkRunner.
        beam_options: Options of that runner, each as "project=my-project".
    """
    # What is live may have changed since an equal run: this one and the last look each time.
    live = champion(release_root=release_root).set_display_name("Champion")
    live.set_caching_options(enable_caching=False)

    prepared = preprocess(
        items=items,
        interactions=interactions,
        data_version=data_version,
        num_shards=1,
        preset=preset,
        columns=columns,
        item_template=item_template,
        slice_columns=[],
        min_rating=min_rating,
        repeats=repeats,
        bot_quantile=bot_quantile,
        max_history=max_history,
        min_user_interactions=min_user_interactions,
        min_item_interactions=min_item_interactions,
        catalogue="all",
        split="temporal-leave-one-out",
        split_share=0.1,
        few_shot="none",
        split_seed=0,
        previous_dataset=live.outputs["release"],
        max_rejected_share=max_rejected_share,
        unknown_items=unknown_items,
        beam_runner=beam_runner,
        beam_options=beam_options,
    ).set_display_name("Preprocess")

    # One task: what is new since yesterday is little, and kfp.local hands no output of a task
    # to the tasks of a loop.
    embedded = embed_items(
        dataset=prepared.outputs["dataset"],
        encoder=encoder,
        encoder_fingerprint=live.outputs["encoder_fingerprint"],
        pooling=live.outputs["pooling"],
        layer=live.outputs["layer"],
        prompt=live.outputs["prompt"],
        l2=live.outputs["l2"],
        max_tokens=live.outputs["max_tokens"],
        precision=live.outputs["precision"],
        embedding_store=embedding_store,
        shard=0,
        num_shards=1,
    ).set_display_name("Embed items")
    embedded.set_accelerator_type(gpu_type).set_accelerator_limit(gpu_count)

    exported = export_index(
        dataset=prepared.outputs["dataset"],
        item_embeddings=embedded.outputs["item_embeddings"],
        model=live.outputs["model"],
        index_kind=index_kind,
        recall_target=recall_target,
        memory_limit=index_memory,
        export_formats=export_formats,
    ).set_display_name("Export index")
    published = publish(
        index=exported.outputs["index"],
        metrics=live.outputs["metrics"],
        decision=live.outputs["decision"],
        release_root=release_root,
    ).set_display_name("Publish")
    published.set_caching_options(enable_caching=False)

    on_cluster(live, prepared, embedded, exported, published)

    return Outputs(
        dataset=prepared.outputs["dataset"],
        rejected=prepared.outputs["rejected"],
        counts=prepared.outputs["counts"],
    )
