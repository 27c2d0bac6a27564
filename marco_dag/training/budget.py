"""Training tokens: how many a stage sends through the model, and how long it may train on so many.

Recipes see each pair on one side or on both, and some have more pairs than others: at equal epochs they do not train
equally much. At equal tokens they do.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from marco_dag.errors import TrainingError
from marco_dag.training.config import RecipeConfig, SftConfig, StageConfig
from marco_dag.training.examples import PairExample, SftExample, pair_examples, sft_examples


def tokens_per_epoch(recipe: RecipeConfig, sft: Path, pairs: pl.DataFrame) -> int:
    """Tokens that one pass over the recipe's pairs sends forward and backward, as `TrainingSummary.tokens` counts them.

    Prompts are included, padding and the reference's forward pass are not. `sft` is the checkpoint whose tokenizer
    counts, `pairs` (schemas.PREFERENCE_PAIRS) as `train_recipe` takes them. TrainingError if there is nothing to train
    on, or no checkpoint.
    """
    return _tokens(recipe, _examples(recipe, sft, pairs))


def sft_within_tokens(config: SftConfig, student: Path, cot_set: pl.DataFrame, standard: pl.DataFrame) -> SftConfig:
    """`config` with the `epochs` over `cot_set` that take as many tokens as its own over `standard`, at least one step.

    Both are schemas.COT_SET. Steps are counted at their mean tokens, as in `recipe_within_tokens`. TrainingError where
    either has nothing to train on.
    """
    own, measure = (_sft_examples(config, student, rows) for rows in (cot_set, standard))
    wanted = config.epochs * sum(example.tokens for example in measure)
    return config.model_copy(update={"epochs": _epochs(config, len(own), sum(one.tokens for one in own), wanted)})


def recipe_within_tokens(recipe: RecipeConfig, sft: Path, pairs: pl.DataFrame, tokens: float) -> RecipeConfig:
    """`recipe` with the `epochs` whose optimizer steps come nearest to `tokens` in all, at least one step.

    Steps are counted at their mean tokens; they differ in length, so that a part of an epoch is met to within a few
    steps' difference and whole epochs exactly.
    """
    examples = _examples(recipe, sft, pairs)
    return recipe.model_copy(update={"epochs": _epochs(recipe, len(examples), _tokens(recipe, examples), tokens)})


def _epochs(config: StageConfig, examples: int, tokens: int, wanted: float) -> float:
    """Passes over `examples` of `tokens` in all whose whole steps come nearest to `wanted` tokens."""
    steps_per_epoch = math.ceil(examples / config.batch_size)
    steps = max(1, round(wanted * steps_per_epoch / tokens))
    # Half a step less, since a part of a step is rounded up: no rounding of the division can then add one.
    return (steps - 0.5) / steps_per_epoch


def _sft_examples(config: SftConfig, student: Path, rows: pl.DataFrame) -> Sequence[SftExample]:
    from marco_dag.training.models import load_tokenizer

    examples = [] if rows.is_empty() else sft_examples(rows, load_tokenizer(student), config.max_tokens)[0]
    if not examples:
        raise TrainingError(f"no chain of the SFT set fits into {config.max_tokens} tokens; raise max_tokens")
    return examples


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
