"""What the assets are partitioned by: batches of seeds, second-stage recipes, scored checkpoints.

Batches come and go with the files that users bring. Recipes and checkpoints are those of the profile that
`MARCO_PROFILE` names, read when the code location loads.
"""

from collections.abc import Iterable

import dagster as dg

from marco_dag.study.variants import DECODED, variants_of
from resources.profile import chosen_profile

SEED_BATCHES = dg.DynamicPartitionsDefinition(name="seed_batches")
"""One partition a batch: `generated`, one for every source of the profile and for every seeds file taken in."""

RECIPES = dg.StaticPartitionsDefinition(list(chosen_profile().recipes))
"""One partition a second-stage recipe."""

CHECKPOINTS = dg.StaticPartitionsDefinition(list(chosen_profile().checkpoints))
"""One partition a scored checkpoint: `base`, `sft`, then the recipes."""

_STUDY = chosen_profile().study
_SEEDS = dg.StaticPartitionsDefinition([str(seed) for seed in _STUDY.seeds] if _STUDY else [])


def _by_seed(variants: Iterable[str]) -> dg.MultiPartitionsDefinition:
    return dg.MultiPartitionsDefinition({"seed": _SEEDS, "variant": dg.StaticPartitionsDefinition(list(variants))})


STUDY_VARIANTS = _by_seed(variants_of(chosen_profile()) if _STUDY else [])
"""One partition a variant of the study and seed: a cell; none where the profile has no study."""

STUDY_DECODED = _by_seed(DECODED if _STUDY else [])
"""One partition a variant whose questions are decoded by tree search, and seed."""

ALL_BATCHES = dg.AllPartitionMapping()
"""Training takes every batch there is."""

OWN_RECIPE = dg.StaticPartitionMapping({recipe: recipe for recipe in RECIPES.get_partition_keys()})
"""The scores of a recipe need that recipe's checkpoint; those of `base` and `sft` need none."""

BATCH_ASSETS = (
    "seed_prompts",
    "seed_quarantine",
    "seed_overlaps",
    *(["seed_difficulty"] if chosen_profile().seeds.difficulty else []),
    "mcts_trees",
    "thoughts",
    "chains",
    "balanced_cot",
    "preference_pairs",
)
"""What is made of one batch of seeds, from its questions to its training sets.

Difficulty is measured only where the profile asks for it.
"""
