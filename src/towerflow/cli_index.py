"""Options of commands that make an index."""

from typing import Annotated, Any, Final

import typer

from towerflow.retrieval.exports import ExportFormat, parse_formats
from towerflow.retrieval.index_tuning import AUTO, IndexConfig
from towerflow.retrieval.item_index import IndexKind

DEFAULTS: Final = IndexConfig()

Kind = Annotated[
    str, typer.Option(help=f"{AUTO}, {', '.join(IndexKind)}: how items are searched when served.")
]
RecallTarget = Annotated[
    float, typer.Option(help="Share of a user's 100 best items that the index has to find.")
]
Memory = Annotated[int, typer.Option(help="Megabytes that the index may take when served; 0: any.")]
Formats = Annotated[
    list[str] | None,
    typer.Option(help=f"{' or '.join(ExportFormat)}: write vectors so too; repeat."),
]


def arguments(
    kind: str, recall_target: float, memory: int, formats: list[str] | None
) -> dict[str, Any]:
    """Pipeline arguments; checked here, so that a mistake is told before anything runs."""
    config = IndexConfig.parse(kind, recall_target, memory)
    return {
        "index_kind": config.kind,
        "recall_target": config.recall_target,
        "index_memory": config.memory_limit,
        "export_formats": [form.value for form in parse_formats(formats or [])],
    }
