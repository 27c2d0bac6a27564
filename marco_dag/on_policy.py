"""One on-policy round: the student searches, and learns from its own trees.

The pairs of the first round are the teacher's: what they prefer and reject, the student may never write. Here its own
right and wrong answers are set against each other. Puts search, curation and training together; decides nothing that
they do not.
"""

from pathlib import Path

import polars as pl

from marco_dag.curation import CurationConfig, extract_chains, preference_pairs
from marco_dag.engines import RoleEngines, checkpoint_digest, load_encoder
from marco_dag.errors import SearchError
from marco_dag.search import THOUGHTS_FILE, TREES_FILE, SearchConfig, search_into
from marco_dag.training import RecipeConfig, TrainingSummary, recipe_within_tokens, train_recipe


def on_policy_round(
    student: Path,
    seeds: pl.DataFrame,
    engines: RoleEngines,
    *,
    search: SearchConfig,
    curation: CurationConfig,
    recipe: RecipeConfig,
    seed: int,
    folder: Path,
    tokens: float | None = None,
) -> TrainingSummary:
    """Search `seeds` (schemas.SEED_PROMPTS) with the checkpoint in `student`, and train it on the pairs by `recipe`.

    `engines`: the student's own as generator; as critic its own or another's. `tokens` sets the recipe's epochs by
    training tokens (`marco_dag.training.recipe_within_tokens`); None leaves them. `seed`, in [0, 2**31), decides the
    trees and the training. `folder` gets what `train_recipe` leaves and the trees in `trees/`; on one that a killed
    call left, search and training go on.

    Raises SearchError where the generator is not the student, and what search, curation and training raise; where the
    student's trees hold no pair of a correct and a wrong chain, TrainingError.
    """
    if engines["generator"].model_digest != checkpoint_digest(student):
        raise SearchError(f"the generator is not the student in {student}: open its engine on that checkpoint")
    grown = folder / "trees"
    grown.mkdir(parents=True, exist_ok=True)
    search_into(grown, seeds, engines, search, seed=seed)
    trees, thoughts = pl.read_parquet(grown / TREES_FILE), pl.read_parquet(grown / THOUGHTS_FILE)
    encode = load_encoder(student)
    chains = extract_chains(trees, thoughts, encode)
    pairs = preference_pairs(chains, thoughts, seeds, encode, [recipe.chosen], curation)
    if tokens is not None:
        recipe = recipe_within_tokens(recipe, student, pairs, tokens)
    return train_recipe(student, pairs, recipe, seed=seed, folder=folder)
