"""`compare_models`: one dataset, many recipes, one report."""

from typing import List, NamedTuple  # noqa: UP035 (kfp reads this spelling)

from kfp import dsl

from components.compare.component import compare
from components.embed_items.component import embed_items
from components.evaluate.component import evaluate
from components.list_trials.component import list_trials
from components.merge_embeddings.component import merge_embeddings
from components.preprocess.component import preprocess
from components.train.component import train
from pipelines.cluster import on_cluster


class Outputs(NamedTuple):
    """What the pipeline hands back."""

    dataset: dsl.Dataset
    rejected: dsl.Dataset
    counts: dsl.Metrics
    comparison: dsl.Metrics
    report: dsl.HTML


@dsl.pipeline(name="towerflow-compare-models", display_name="Towerflow: compare models")
def compare_models(
    items: str,
    interactions: str,
    data_version: str,
    encoder: str,
    embedding_store: str,
    recipes: List[str],  # noqa: UP006
    seeds: List[int] = [0],  # noqa: UP006, B006
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
    hide_history: bool = True,
    sampled_negatives: int = 0,
    max_rejected_share: float = 0.05,
    unknown_items: str = "error",
    beam_runner: str = "DirectRunner",
    beam_options: List[str] = [],  # noqa: UP006, B006
) -> Outputs:
    """One dataset, many recipes, one report.

    1. List trials: each recipe with each seed; a mistake in them stops the run here.
    2. Preprocess: clean, index and split items and interactions.
    3. Embed items: the frozen LLM reads what it has not read before, one task a shard.
    4. Merge embeddings: the shards become one artifact.
    5. Train and evaluate each trial, side by side.
    6. Compare them all.

    Args:
        items: File, folder or glob: item_id and title, brand, categories or description.
        interactions: File, folder or glob: user_id, item_id, timestamp.
        data_version: Version of items, interactions and encoder; a new value makes KFP read anew.
        encoder: The frozen LLM: name, local or gs:// folder, or hub id with @revision.
        embedding_store: Root of the embedding store, local or gs://, shared by all runs.
        recipes: Names of recipes, or YAML texts; the others are compared with the first.
        seeds: Seeds that each recipe is trained with.
        pooling: Mean, last or cls, of a text's token states; empty: what the LLM was made for.
        layer: Hidden layer of the LLM that is pooled; -1: the last.
        prompt: What the LLM reads, with {text} in it; empty: what the LLM was made for.
        l2: Scale embeddings to length 1, yes or no; empty: what the LLM was made for.
        max_tokens: Item texts are cut to this many tokens before the LLM reads them (LEARN: 500).
        precision: float32, bfloat16, float16, int8, or auto: bfloat16 where it is fast.
        num_shards: Number of parallel tasks that embed the items.
        gpu_type: Resource name of the GPUs, as nvidia.com/gpu.
        gpu_count: GPUs of each task that embeds; 0: none, on CPUs.
        train_gpu_count: GPUs of each training task; 0: none, on CPUs.
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
        hide_history: Leave out of the ranking what users took before; LLMInit's code does not.
        sampled_negatives: Rank only so many drawn items; 0: all. Can order models wrongly.
        max_rejected_share: Share of unusable rows, 0 to 1, above which the run stops.
        unknown_items: What to do with interactions that name unknown items, "error" or "reject".
        beam_runner: Where Beam runs: DirectRunner, DataflowRunner, FlinkRunner, SparkRunner.
        beam_options: Options of that runner, each as "project=my-project".
    """
    listed = list_trials(recipes=recipes, seeds=seeds).set_display_name("List trials")

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
        previous_dataset="",
        max_rejected_share=max_rejected_share,
        unknown_items=unknown_items,
        beam_runner=beam_runner,
        beam_options=beam_options,
    ).set_display_name("Preprocess")
    prepared.after(listed)
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

    # One loop over pairs: kfp.local 2.17 mixes up the items of two (docs/adr/0021).
    with dsl.ParallelFor(listed.output, name="trials") as trial:
        trained = train(
            dataset=dataset,
            item_embeddings=item_embeddings,
            recipe=trial.recipe,
            seed=trial.seed,
            initial_model="",
            checkpoints="",
        ).set_display_name("Train")
        trained.set_accelerator_type(gpu_type).set_accelerator_limit(train_gpu_count)
        trained.register_pipeline_channels([gpu_type, train_gpu_count])
        evaluated = evaluate(
            dataset=dataset,
            item_embeddings=item_embeddings,
            model=trained.outputs["model"],
            release_root="",
            hide_history=hide_history,
            sampled_negatives=sampled_negatives,
        ).set_display_name("Evaluate")

    compared = compare(
        metrics=dsl.Collected(evaluated.outputs["metrics"]), recipes=recipes
    ).set_display_name("Compare")

    on_cluster(listed, prepared, embedded, merged, trained, evaluated, compared)

    return Outputs(
        dataset=dataset,
        rejected=prepared.outputs["rejected"],
        counts=prepared.outputs["counts"],
        comparison=compared.outputs["comparison"],
        report=compared.outputs["report"],
    )
