"""One seed's way from questions to scores, piece by piece.

Every piece is an artifact whose key holds all that decides it, the pieces before it by their ids: what is there is
found again, what was cut off goes on, and processes that want the same piece make it once.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from experiments.second_stage.variants import BUDGET, SFT, Variant
from marco_dag.curation import CURATION_VERSION, balanced_cot, extract_chains, preference_pairs
from marco_dag.engines import Role, RoleEngines, checkpoint_digest, load_encoder, open_engine, open_roles
from marco_dag.evaluation import EVALUATION_VERSION, answer_questions
from marco_dag.identity import JsonValue
from marco_dag.miniature import MINIATURE_VERSION, train_miniature_models
from marco_dag.on_policy import on_policy_round
from marco_dag.profiles import Profile
from marco_dag.search import SEARCH_VERSION, THOUGHTS_FILE, TREES_FILE, search_into
from marco_dag.seeds import GENERATED, SEEDS_VERSION, generated_seeds, held_out_questions
from marco_dag.store import Artifact, ArtifactStore
from marco_dag.training import TRAINING_VERSION, recipe_within_tokens, tokens_per_epoch, train_recipe, train_sft

PAIRS_FILE, SCORES_FILE = "pairs.parquet", "scores.parquet"
"""What the artifacts of pairs and of scores hold."""

_QUESTIONS_SEED = 0
"""The held-out questions are the same for every run, so that runs can be compared question by question."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """What all runs have in common."""

    profile: Profile
    """Models, questions, search, SFT and evaluation."""
    variants: Mapping[str, Variant]
    """What is tried, BUDGET among it."""
    folder: Path
    """Where the artifacts and what came out are kept."""


@dataclass(frozen=True, slots=True)
class Run:
    """One seed: it decides the training questions, the trees, the order of both trainings and the sampled answers."""

    experiment: Experiment
    """What it has in common with the others."""
    seed: int
    """In [0, 2**31)."""
    teacher: int
    """The seed of the embedded models, in [0, 2**31)."""

    def models(self) -> Artifact:
        """Generator, critic and base student, a folder each."""
        config, share = self._profile.miniature, self._profile.seeds.held_out_share
        key: dict[str, JsonValue] = {
            "config": config.model_dump(mode="json"),
            "held_out_share": share,
            "seed": self.teacher,
            "code": MINIATURE_VERSION,
        }

        def train(folder: Path) -> None:
            train_miniature_models(config, held_out_share=share, seed=self.teacher, folder=folder)

        return self._store.get_or_make("models", key, train)

    def trees(self) -> Artifact:
        """The search of the training questions by generator and critic."""
        models = self.models()

        def search(folder: Path) -> None:
            with self._writers(models.path / "generator", models.path / "critic") as engines:
                search_into(folder, self._questions(), engines, self._profile.search, seed=self.seed)

        return self._store.get_or_make("trees", {"models": models.id, **self._search_key()}, search)

    def sft(self) -> Artifact:
        """The student after SFT on the balanced chains of the trees."""
        models, trees, config = self.models(), self.trees(), self._profile.sft
        key: dict[str, JsonValue] = {
            "trees": trees.id,
            "curation": self._profile.curation.model_dump(mode="json"),
            "config": config.model_dump(mode="json"),
            "seed": self.seed,
            "code": [CURATION_VERSION, TRAINING_VERSION],
        }

        def train(folder: Path) -> None:
            student = models.path / "student"
            chains = extract_chains(*_read_trees(trees.path), load_encoder(student))
            examples = balanced_cot(chains, self._questions(), self._profile.curation)
            train_sft(student, examples, config, seed=self.seed, folder=folder)

        return self._store.get_or_make("sft", key, train)

    def pairs(self, variant: Variant) -> Artifact:
        """The preference pairs of the trees that a variant trains on."""
        models, trees = self.models(), self.trees()
        key: dict[str, JsonValue] = {
            "trees": trees.id,
            "curation": variant.curation.model_dump(mode="json"),
            "chosen": variant.recipe.chosen,
            "code": CURATION_VERSION,
        }

        def pair(folder: Path) -> None:
            encode, (grown, thoughts) = load_encoder(models.path / "student"), _read_trees(trees.path)
            chains = extract_chains(grown, thoughts, encode)
            ranks = [variant.recipe.chosen]
            found = preference_pairs(chains, thoughts, self._questions(), encode, ranks, variant.curation)
            found.write_parquet(folder / PAIRS_FILE)

        return self._store.get_or_make("pairs", key, pair)

    def checkpoint(self, name: str) -> Artifact:
        """What is scored under `name`, its model in `model/`: the SFT checkpoint, or a variant trained from it."""
        if name == SFT:
            return self.sft()
        variant = self.experiment.variants[name]
        return self._on_policy(variant) if variant.on_policy else self._trained(variant)

    def scores(self, name: str) -> Artifact:
        """The answers of a checkpoint to the held-out questions."""
        checkpoint, config, how = self.checkpoint(name), self._profile.evaluation, self._profile.engine_of("student")
        key: dict[str, JsonValue] = {
            "checkpoint": checkpoint.id,
            "name": name,
            "questions": [self._profile.seeds.model_dump(mode="json"), _QUESTIONS_SEED, SEEDS_VERSION],
            "config": config.model_dump(mode="json"),
            "seed": self.seed,
            "code": EVALUATION_VERSION,
        }

        def answer(folder: Path) -> None:
            model, digest = checkpoint.path / "model", checkpoint_digest(checkpoint.path / "model")
            questions = held_out_questions(self._profile.seeds, seed=_QUESTIONS_SEED)
            with open_engine(model, how, name=name, logs=self._logs, say=_say) as engine:
                scores = answer_questions(
                    engine, questions, config, checkpoint=name, checkpoint_digest=digest, seed=self.seed
                )
            scores.write_parquet(folder / SCORES_FILE)

        return self._store.get_or_make("scores", key, answer)

    def _trained(self, variant: Variant) -> Artifact:
        sft, pairs = self.sft(), self.pairs(variant)

        def train(folder: Path) -> None:
            rows, model = pl.read_parquet(pairs.path / PAIRS_FILE), sft.path / "model"
            recipe = recipe_within_tokens(variant.recipe, model, rows, self._budget())
            train_recipe(model, rows, recipe, seed=self.seed, folder=folder)

        key: dict[str, JsonValue] = {"sft": sft.id, "pairs": pairs.id, **self._recipe_key(variant)}
        return self._store.get_or_make("second_stage", key, train)

    def _on_policy(self, variant: Variant) -> Artifact:
        models, sft = self.models(), self.sft()

        def search_and_train(folder: Path) -> None:
            student = sft.path / "model"
            with self._writers(student, models.path / "critic") as engines:
                on_policy_round(
                    student,
                    self._questions(),
                    engines,
                    search=self._profile.search,
                    curation=variant.curation,
                    recipe=variant.recipe,
                    seed=self.seed,
                    folder=folder,
                    tokens=self._budget(),
                )

        key: dict[str, JsonValue] = {
            "sft": sft.id,
            "critic": models.id,
            "curation": variant.curation.model_dump(mode="json"),
            "curation_code": CURATION_VERSION,
            **self._search_key(),
            **self._recipe_key(variant),
        }
        return self._store.get_or_make("second_stage", key, search_and_train)

    def _budget(self) -> float:
        """Training tokens of every variant: what BUDGET's own epochs take."""
        variant = self.experiment.variants[BUDGET]
        pairs = pl.read_parquet(self.pairs(variant).path / PAIRS_FILE)
        return variant.recipe.epochs * tokens_per_epoch(variant.recipe, self.sft().path / "model", pairs)

    def _recipe_key(self, variant: Variant) -> dict[str, JsonValue]:
        """What decides a second stage beside its checkpoint and its pairs."""
        budget = self.experiment.variants[BUDGET]
        unimportant = {"description", "candidate"}
        return {
            "recipe": variant.recipe.model_dump(mode="json", exclude={*unimportant, "epochs"}),
            "budget": [self.pairs(budget).id, budget.recipe.model_dump(mode="json", exclude=unimportant)],
            "seed": self.seed,
            "code": TRAINING_VERSION,
        }

    def _search_key(self) -> dict[str, JsonValue]:
        """What decides trees beside their writers."""
        return {
            "questions": [self._profile.seeds.model_dump(mode="json"), self.seed, SEEDS_VERSION],
            "search": self._profile.search.model_dump(mode="json", exclude={"live_sequences"}),
            "search_seed": self.seed,
            "search_code": SEARCH_VERSION,
        }

    def _questions(self) -> pl.DataFrame:
        return generated_seeds(self._profile.seeds, seed=self.seed, batch=GENERATED)

    @contextmanager
    def _writers(self, generator: Path, critic: Path) -> Iterator[RoleEngines]:
        how = self._profile.engine
        paths: dict[Role, str] = {"generator": str(generator), "critic": str(critic)}
        with open_roles(paths, dict.fromkeys(paths, how), logs=self._logs, say=_say) as engines:
            yield engines

    @property
    def _profile(self) -> Profile:
        return self.experiment.profile

    @property
    def _store(self) -> ArtifactStore:
        return ArtifactStore(self.experiment.folder)

    @property
    def _logs(self) -> Path:
        return self.experiment.folder / "logs"


def _read_trees(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    return pl.read_parquet(folder / TREES_FILE), pl.read_parquet(folder / THOUGHTS_FILE)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
