"""KFP face of `towerflow.steps.list_trials`."""

from typing import List  # noqa: UP035 (kfp reads this spelling)

from kfp import dsl

from components.images import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def list_trials(
    recipes: List[str],  # noqa: UP006
    seeds: List[int],  # noqa: UP006
) -> List[dict]:  # noqa: UP006
    """Which recipe is to be trained with which seed."""
    from towerflow.steps.list_trials import list_trials

    return list_trials(
        recipes=recipes,
        seeds=[int(seed) for seed in seeds],  # kfp.local hands numbers in lists over as floats
    )
