"""`retrain`: raw data to a published index."""

from typing import List, NamedTuple  # noqa: UP035 (kfp reads this spelling)

from kfp import dsl

from components.embed_items.component import embed_items
from components.evaluate.component import evaluate
from components.export_index.component import export_index
from components.gate.component import gate
from components.merge_embeddings.component import merge_embeddings
from components.preprocess.component import preprocess
from components.publish.component import publish
from components.train.component import train
from pipelines.cluster import on_cluster


class Outputs(NamedTuple):
    """What the pipeline hands back whether or not the gate opens."""

    dataset: dsl.Dataset
    rejected: dsl.Dataset
    counts: dsl.Metrics
    metrics: dsl.Metrics
    report: dsl.HTML
    decision: dsl.Artifact
    summary: dsl.Markdown


@dsl.pipeline(name="towerflow-retrain", display_name="Towerflow: retrain")
def retrain(
    items: str,
    interactions: str,
    data_version: str,
    encoder: str,
    embedding_store: str,
    release_root: str,
    recipe: str = "learn",
    seed: int = -1,
    initial_model: str = "",
    checkpoints: str = "",
    pooling: str = "",
    layer: int = -1,
    prompt: str = "",
    l2: str = "",
    max_tokens: int = 128,
    precision: str = "auto",
    num_shards: int = 1,
    gpu_type: str = "nvidia.com/gpu",
    gpu_count: int = 1,
    train_gpu_count: int = 0,
    preset: str = "",
    columns: List[str] = [],  # noqa: UP006, B006
    item_template: str = "plain",
    slice_columns: List[str] = [],  # noqa: UP006, B006
    min_rating: float = 0.0,
    repeats: str = "first",
    bot_quantile: float = 1.0,
    max_history: int = 0,
    min_user_interactions: int = 3,
    min_item_interactions: int = 1,
    catalogue: str = "all",
    split: str = "temporal-leave-one-out",
    split_share: float = 0.1,
    few_shot: str = "none",
    split_seed: int = 0,
    previous_dataset: str = "",
    hide_history: bool = True,
    sampled_negatives: int = 0,
    gate_margin: float = 0.05,
    guarded_slices: List[str] = [  # noqa: UP006, B006
        "history: cold",
        "history: few-shot",
        "popularity: new",
        "popularity: tail",
    ],
    slice_margin: float = 0.1,
    coverage_margin: float = 0.25,
    force: str = "",
    index_kind: str = "auto",
    recall_target: float = 0.99,
    index_memory: int = 0,
    export_formats: List[str] = [],  # noqa: UP006, B006
    max_rejected_share: float = 0.05,
    unknown_items: str = "error",
    beam_runner: str = "DirectRunner",
    beam_options: List[str] = [],  # noqa: UP006, B006
) -> Outputs:
    """Raw data to a published index.

    1. Preprocess: clean, index and split items and interactions.
    2. Embed items: the frozen LLM reads what it has not read before, one task a shard.
    3. Merge embeddings: the shards become one artifact.
    4. Train the recipe's model.
    5. Evaluate it on the test split, beside two baselines and the live release's model.
    6. Gate: is it shown to be no worse than what is live?
    7. If the gate opens, export the index,
    8. and publish it.

    Args:
        items: File, folder or glob: item_id and title, brand, categories or description.
        interactions: File, folder or glob: user_id, item_id, timestamp.
        data_version: Version of items, interactions and encoder; a new value makes KFP read anew.
        encoder: The frozen LLM: name, local or gs:// folder, or hub id with @revision.
        embedding_store: Root of the embedding store, local or gs://, shared by all runs.
        release_root: Where releases are published: a folder that the pods see, gs:// or s3://.
        recipe: Name of a recipe, or the YAML text of one.
        seed: Of training, in place of the recipe's; -1: the recipe's own.
        initial_model: Folder of a model or release to start from; empty: from scratch.
        checkpoints: Folder, local or gs://, from which interrupted training goes on; empty: none.
        pooling: Mean, last or cls, of a text's token states; empty: what the LLM was made for.
        layer: Hidden layer of the LLM that is pooled; -1: the last.
        prompt: What the LLM reads, with {text} in it; empty: what the LLM was made for.
        l2: Scale embeddings to length 1, yes or no; empty: what the LLM was made for.
        max_tokens: Item texts are cut to this many tokens before the LLM reads them (LEARN: 500).
        precision: float32, bfloat16, float16, int8, or auto: bfloat16 where it is fast.
        num_shards: Number of parallel tasks that embed the items.
        gpu_type: Resource name of the GPUs, as nvidia.com/gpu.
        gpu_count: GPUs of each task that embeds; 0: none, on CPUs.
        train_gpu_count: GPUs of the training task; 0: none, on CPUs.
        preset: Layout of a public dump (amazon-2014, -2018, -2023, movielens); empty: your own.
        columns: Your column names, each as "item_id=asin" or "description=text+features".
        item_template: What the LLM reads of an item: plain, learn, or a text with fields in braces.
        slice_columns: Columns of either source by whose values metrics are shown, as "country".
        min_rating: Interactions rated lower are left out; 0: ratings are not read.
        repeats: Of a user's interactions with the same item keep first, last or all.
        bot_quantile: Users with longer histories than this quantile are left out; 1: nobody.
        max_history: Most recent interactions of a user that are kept; 0: all.
        min_user_interactions: Users with fewer interactions are left out …
        min_item_interactions: … and items with fewer, over and over until all have enough (k-core).
        catalogue: Items to rank and serve: all, or only those interacted with.
        split: temporal-leave-one-out, random-leave-one-out, global-time or new-items.
        split_share: Of events (global-time) or items (new-items), for test and for validation each.
        few_shot: Training interactions taken away: none, all but a single one a user, or half.
        split_seed: Seed of what is random in a split.
        previous_dataset: Folder of an earlier Dataset, to tell new, changed and gone items.
        hide_history: Leave out of the ranking what users took before; LLMInit's code does not.
        sampled_negatives: Rank only so many drawn items; 0: all. For comparisons, never a release.
        gate_margin: Share of the live model's NDCG@10 that may be lost; 0: it must be better.
        guarded_slices: Slices that must not fall, as "history: cold" or "popularity: *=0.05".
        slice_margin: Share that a guarded slice may lose if it has no margin of its own.
        coverage_margin: Share of the live model's coverage of the catalogue that may be lost.
        force: Why to publish whatever the gate finds, which is recorded; empty: don't.
        index_kind: How items are searched: auto, exact, ivf, ivf_sq8, ivf_pq or hnsw.
        recall_target: Share of a user's 100 best items that the index has to find.
        index_memory: Megabytes that the index may take when served; 0: any.
        export_formats: Write vectors for other services too: "parquet", "vertex".
        max_rejected_share: Share of unusable rows, 0 to 1, above which the run stops.
        unknown_items: What to do with interactions that name unknown items, "error" or "reject".
        beam_runner: Where Beam runs: DirectRunner, DataflowRunner, FlinkRunner, SparkRunner.
        beam_options: Options of that runner, each as "project=my-project".
    """
    prepared = preprocess(
        items=items,
        interactions=interactions,
        data_version=data_version,
        num_shards=num_shards,
        preset=preset,
        columns=columns,
        item_template=item_template,
        slice_columns=slice_columns,
        min_rating=min_rating,
        repeats=repeats,
        bot_quantile=bot_quantile,
        max_history=max_history,
        min_user_interactions=min_user_interactions,
        min_item_interactions=min_item_interactions,
        catalogue=catalogue,
        split=split,
        split_share=split_share,
        few_shot=few_shot,
        split_seed=split_seed,
        previous_dataset=previous_dataset,
        max_rejected_share=max_rejected_share,
        unknown_items=unknown_items,
        beam_runner=beam_runner,
        beam_options=beam_options,
    ).set_display_name("Preprocess")
    dataset = prepared.outputs["dataset"]

    with dsl.ParallelFor(prepared.outputs["Output"], name="shards") as shard:
        embedded = embed_items(
            dataset=dataset,
            encoder=encoder,
            encoder_fingerprint="",
            pooling=pooling,
            layer=layer,
            prompt=prompt,
            l2=l2,
            max_tokens=max_tokens,
            precision=precision,
            embedding_store=embedding_store,
            shard=shard,
            num_shards=num_shards,
        ).set_display_name("Embed items")
        embedded.set_accelerator_type(gpu_type).set_accelerator_limit(gpu_count)
        # kfp 2.17 does not see that the loop needs what only a resource of a task refers to.
        embedded.register_pipeline_channels([gpu_type, gpu_count])

    merged = merge_embeddings(
        shards=dsl.Collected(embedded.outputs["item_embeddings"])
    ).set_display_name("Merge embeddings")
    item_embeddings = merged.outputs["item_embeddings"]

    trained = train(
        dataset=dataset,
        item_embeddings=item_embeddings,
        recipe=recipe,
        seed=seed,
        initial_model=initial_model,
        checkpoints=checkpoints,
    ).set_display_name("Train")
    trained.set_accelerator_type(gpu_type).set_accelerator_limit(train_gpu_count)
    model = trained.outputs["model"]

    # What is live may have changed since an equal run: these look each time.
    evaluated = evaluate(
        dataset=dataset,
        item_embeddings=item_embeddings,
        model=model,
        release_root=release_root,
        hide_history=hide_history,
        sampled_negatives=sampled_negatives,
    ).set_display_name("Evaluate")
    evaluated.set_caching_options(enable_caching=False)
    metrics = evaluated.outputs["metrics"]

    gated = gate(
        metrics=metrics,
        release_root=release_root,
        margin=gate_margin,
        guarded_slices=guarded_slices,
        slice_margin=slice_margin,
        coverage_margin=coverage_margin,
        force=force,
    ).set_display_name("Gate")
    gated.set_caching_options(enable_caching=False)

    with dsl.If(gated.outputs["Output"] == "open", name="gate is open"):
        exported = export_index(
            dataset=dataset,
            item_embeddings=item_embeddings,
            model=model,
            index_kind=index_kind,
            recall_target=recall_target,
            memory_limit=index_memory,
            export_formats=export_formats,
        ).set_display_name("Export index")
        published = publish(
            index=exported.outputs["index"],
            metrics=metrics,
            decision=gated.outputs["decision"],
            release_root=release_root,
        ).set_display_name("Publish")
        published.set_caching_options(enable_caching=False)

    on_cluster(prepared, embedded, merged, trained, evaluated, gated, exported, published)

    return Outputs(
        dataset=dataset,
        rejected=prepared.outputs["rejected"],
        counts=prepared.outputs["counts"],
        metrics=metrics,
        report=evaluated.outputs["report"],
        decision=gated.outputs["decision"],
        summary=gated.outputs["summary"],
    )
