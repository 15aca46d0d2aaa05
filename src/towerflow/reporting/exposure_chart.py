"""Shares of popularity groups as bars: what is popular, and what is recommended."""

from collections.abc import Iterator, Sequence
from typing import Final

from towerflow.evaluation.popularity_groups import Exposure
from towerflow.reporting.charts import WIDTH, Scale, svg
from towerflow.reporting.wording import percent

LEFT, RIGHT, BAR, STEP = 122, 64, 16, 22
NAMES: Final = ("trained on", "taken", "recommended", "by champion")
COLOURS: Final = ("other", "other", "first", "second")


def exposure_charts(
    own: Sequence[Exposure], champion: Sequence[Exposure]
) -> Iterator[tuple[str, str]]:
    """Heading and bars, in the order of NAMES, of each group; all over one scale.

    Args:
        own: of the model.
        champion: the same groups; empty without a champion.
    """
    others = {one.group: one.recommended for one in champion}
    groups = [
        (one, [one.trained, one.taken, one.recommended, *_known(others.get(one.group))])
        for one in own
    ]
    longest = max((share for _, shares in groups for share in shares), default=0.0)
    across = Scale(0.0, longest or 1.0, 0.0, WIDTH - LEFT - RIGHT)
    for group, shares in groups:
        items = f"{group.items:,} item{'' if group.items == 1 else 's'}"
        heading = f"{group.group.capitalize()}: {items}, {group.description}"
        spoken = ", ".join(
            f"{name} {share:.1%}" for name, share in zip(NAMES, shares, strict=False)
        )
        yield (
            heading,
            svg(
                f"Shares of {group.group} items: {spoken}",
                STEP * len(shares),
                "".join(_bars(shares, across)),
            ),
        )


def _known(share: float | None) -> list[float]:
    return [] if share is None else [share]


def _bars(shares: Sequence[float], across: Scale) -> Iterator[str]:
    for number, (name, colour, share) in enumerate(zip(NAMES, COLOURS, shares, strict=False)):
        y, end = STEP * number, across.at(share)
        line = y + BAR - 3
        yield f'<text class="label tick" x="{LEFT - 10}" y="{line}">{name}</text>'
        yield (
            f'<rect class="{colour}" x="{LEFT}" y="{y}" width="{end:.1f}" height="{BAR}" rx="2"/>'
        )
        yield f'<text class="tick" x="{LEFT + end + 6:.1f}" y="{line}">{percent(share)}</text>'
