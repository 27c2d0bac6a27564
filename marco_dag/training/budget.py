"""Training tokens: how many a second stage sends through the model, and how long it may train on so many.

Recipes see each pair on one side or on both, and some have more pairs than others: at equal epochs they do not train
equally much. At equal tokens they do.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from marco_dag.errors import TrainingError
from marco_dag.training.config import RecipeConfig
from marco_dag.training.examples import PairExample, pair_examples


def tokens_per_epoch(recipe: RecipeConfig, sft: Path, pairs: pl.DataFrame) -> int:
    """Tokens that one pass over the recipe's pairs sends forward and backward, as `TrainingSummary.tokens` counts them.

    Prompts are included, padding and the reference's forward pass are not. `sft` is the checkpoint whose tokenizer
    counts, `pairs` (schemas.PREFERENCE_PAIRS) as `train_recipe` takes them. TrainingError if there is nothing to train
    on, or no checkpoint.
    """
    return _tokens(recipe, _examples(recipe, sft, pairs))


def recipe_within_tokens(recipe: RecipeConfig, sft: Path, pairs: pl.DataFrame, tokens: float) -> RecipeConfig:
    """`recipe` with the `epochs` whose optimizer steps come nearest to `tokens` in all, at least one step.

    Steps are counted at their mean tokens; they differ in length, so that a part of an epoch is met to within a few
    steps' difference and whole epochs exactly.
    """
    examples = _examples(recipe, sft, pairs)
    steps_per_epoch = math.ceil(len(examples) / recipe.batch_size)
    steps = max(1, round(tokens * steps_per_epoch / _tokens(recipe, examples)))
    # Half a step less, since a part of a step is rounded up: no rounding of the division can then add one.
    return recipe.model_copy(update={"epochs": (steps - 0.5) / steps_per_epoch})


def _tokens(recipe: RecipeConfig, examples: Sequence[PairExample]) -> int:
    chosen = sum(len(example.prompt) + len(example.chosen) for example in examples)
    if recipe.preference_weight == 0:
        return chosen
    return chosen + sum(len(example.prompt) + len(example.rejected) for example in examples)


def _examples(recipe: RecipeConfig, sft: Path, pairs: pl.DataFrame) -> Sequence[PairExample]:
    from marco_dag.training.models import load_tokenizer

    rows = pairs.filter(pl.col("chosen_rank") == recipe.chosen)
    examples = [] if rows.is_empty() else pair_examples(rows, load_tokenizer(sft), recipe.max_tokens)[0]
    if not examples:
        raise TrainingError(
            f"no preference pair whose chosen chain is the {recipe.chosen} fits into {recipe.max_tokens} tokens; "
            "grow more trees (search.rollouts, seeds), or raise max_tokens"
        )
    return examples
