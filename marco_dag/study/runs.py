"""One seed's way from the shared materials to each variant's checkpoint and its answers, piece by piece."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import polars as pl

from marco_dag.curation import CURATION_VERSION, preference_pairs
from marco_dag.engines import Engine, checkpoint_digest, load_encoder, open_engine
from marco_dag.evaluation import (
    DECODING_VERSION,
    EVALUATION_VERSION,
    SCORES_FILE,
    answer_questions,
    decode,
    questions_to_decode,
)
from marco_dag.evaluation.config import EvaluationConfig
from marco_dag.identity import JsonValue
from marco_dag.on_policy import on_policy_round
from marco_dag.schemas import BENCHMARK_QUESTIONS
from marco_dag.seeds import SEEDS_VERSION, held_out_questions
from marco_dag.study.materials import CHAINS_FILE, Materials, Study, read_trees, say
from marco_dag.study.pieces import Piece
from marco_dag.study.variants import DECODED, FULL, Variant, variants_of
from marco_dag.training import TRAINING_VERSION, recipe_within_tokens, tokens_per_epoch, train_recipe

PAIRS_FILE, DECODED_FILE = "pairs.parquet", "decoded.parquet"
"""What the pieces of pairs and of decoded questions hold."""

DECODED_SUFFIX = ", decoded"
"""What stands behind a variant's name where its questions are decoded by tree search: a cell of its own."""


class _Who(TypedDict):
    """Whose answers they are."""

    checkpoint: str
    checkpoint_digest: str


def cells_of(variants: Mapping[str, Variant]) -> list[str]:
    """What is made of each seed: every variant's answers, and the decoded questions of some."""
    return [*variants, *(f"{name}{DECODED_SUFFIX}" for name in DECODED)]


class Run:
    """All cells of one seed."""

    def __init__(self, study: Study, seed: int) -> None:
        """`seed`, in [0, 2**31), decides all that is drawn but the held-out questions: those are the profile's."""
        self.study = study
        self.seed = seed
        self.materials = Materials(study, seed)
        self.profile = self.materials.profile
        self.variants = variants_of(study.profile)

    def cell(self, name: str) -> Piece:
        """A cell by its name, as `cells_of` lists them."""
        variant = name.removesuffix(DECODED_SUFFIX)
        return self.scores(variant) if variant == name else self.decoded(variant)

    def checkpoint(self, name: str) -> Piece | None:
        """The trained checkpoint of a variant, its model in `model/`; None for the base student."""
        variant = self.variants[name]
        if variant.data == "none":
            return None
        if variant.recipe is None:
            return self.materials.sft(variant.data)
        return self._on_policy(variant) if variant.on_policy else self._second_stage(variant)

    def scores(self, name: str) -> Piece:
        """The answers (schemas.SCORES) of a variant to the held-out questions."""
        config = self.profile.evaluation

        def answer(folder: Path) -> None:
            with self._asked_engine(name) as (engine, who):
                scores = answer_questions(engine, self._held_out(), config, **who, seed=self.seed)
            scores.write_parquet(folder / SCORES_FILE)

        how = config.model_dump(mode="json", exclude={"confidence", "no_answer_limit", "benchmarks", "mcts_decoding"})
        key = {**self._asked(name), "config": how, "code": EVALUATION_VERSION}
        return Piece(self.study.store, "scores", key, answer)

    def decoded(self, name: str) -> Piece:
        """The questions (schemas.MCTS_DECODING) that a variant answers by tree search, beside its samples."""
        config: EvaluationConfig = self.profile.evaluation.model_copy(
            update={"mcts_decoding": self.materials.config.decoding}
        )

        def search(folder: Path) -> None:
            questions = questions_to_decode(self._held_out(), BENCHMARK_QUESTIONS.to_frame(), config)
            with self._asked_engine(name) as (engine, who):
                decoded = decode(engine, questions, config, self.profile.search, **who, seed=self.seed, folder=folder)
            decoded.write_parquet(folder / DECODED_FILE)

        key = {
            **self._asked(name),
            "config": config.model_dump(mode="json", exclude={"confidence", "no_answer_limit", "benchmarks"}),
            "search": self.profile.search.model_dump(mode="json", exclude={"live_sequences"}),
            "code": DECODING_VERSION,
        }
        return Piece(self.study.store, "decodings", key, search)

    def pairs(self, variant: Variant) -> Piece:
        """The preference pairs of the trees that a variant trains on."""
        assert variant.recipe is not None
        trees, ranks = self.materials.trees(), [variant.recipe.chosen]
        chains = self.materials.chains(trees)

        def pair(folder: Path) -> None:
            encode, (_, thoughts) = load_encoder(self.materials.model("student")), read_trees(trees.path)
            found = pl.read_parquet(chains.path / CHAINS_FILE).drop("task")
            pairs = preference_pairs(found, thoughts, self.materials.questions(), encode, ranks, variant.curation)
            pairs.write_parquet(folder / PAIRS_FILE)

        key: dict[str, JsonValue] = {
            "chains": chains.id,
            "curation": variant.curation.model_dump(mode="json"),
            "chosen": list(ranks),
            "code": CURATION_VERSION,
        }
        return Piece(self.study.store, "pairs", key, pair)

    def _second_stage(self, variant: Variant) -> Piece:
        sft, pairs = self.materials.sft("trees"), self.pairs(variant)

        def train(folder: Path) -> None:
            assert variant.recipe is not None
            rows, model = pl.read_parquet(pairs.path / PAIRS_FILE), sft.path / "model"
            recipe = recipe_within_tokens(variant.recipe, model, rows, self._budget())
            train_recipe(model, rows, recipe, seed=self.seed, folder=folder)

        key: dict[str, JsonValue] = {"sft": sft.id, "pairs": pairs.id, **self._recipe_key(variant)}
        return Piece(self.study.store, "second_stage", key, train)

    def _on_policy(self, variant: Variant) -> Piece:
        sft = self.materials.sft("trees")

        def search_and_train(folder: Path) -> None:
            assert variant.recipe is not None
            student = sft.path / "model"
            with self.materials.writers(str(student)) as engines:
                on_policy_round(
                    student,
                    self.materials.questions(),
                    engines,
                    search=self.profile.search,
                    curation=variant.curation,
                    recipe=variant.recipe,
                    seed=self.seed,
                    folder=folder,
                    tokens=self._budget(),
                )

        key: dict[str, JsonValue] = {
            "sft": sft.id,
            "critic": self.materials.model_key("critic"),
            "curation": variant.curation.model_dump(mode="json"),
            "curation_code": CURATION_VERSION,
            **self.materials.search_key(),
            **self._recipe_key(variant),
        }
        return Piece(self.study.store, "second_stage", key, search_and_train)

    def _budget(self) -> float:
        """Training tokens of every second stage: what the whole recipe's own epochs take."""
        whole = self.variants[FULL]
        assert whole.recipe is not None
        pairs = pl.read_parquet(self.pairs(whole).path / PAIRS_FILE)
        return whole.recipe.epochs * tokens_per_epoch(whole.recipe, self.materials.sft("trees").path / "model", pairs)

    def _recipe_key(self, variant: Variant) -> dict[str, JsonValue]:
        """What decides a second stage beside its checkpoint and its pairs."""
        whole = self.variants[FULL]
        assert variant.recipe is not None
        assert whole.recipe is not None
        own = variant.recipe.deciding()
        del own["epochs"]
        return {
            "recipe": own,
            "budget": [self.pairs(whole).id, whole.recipe.epochs, whole.recipe.max_tokens],
            "seed": self.seed,
            "code": TRAINING_VERSION,
        }

    @contextmanager
    def _asked_engine(self, name: str) -> Iterator[tuple[Engine, _Who]]:
        """The engine over a variant's model, and how its answers name it."""
        checkpoint, how = self.checkpoint(name), self.profile.engine_of("student")
        model = Path(self.materials.model("student")) if checkpoint is None else checkpoint.path / "model"
        with open_engine(model, how, name=name, logs=self.study.logs, say=say) as engine:
            yield engine, {"checkpoint": name, "checkpoint_digest": checkpoint_digest(model)}

    def _held_out(self) -> pl.DataFrame:
        """The same for every seed, so that seeds can be compared question by question."""
        return held_out_questions(self.profile.seeds, seed=self.profile.seed)

    def _asked(self, name: str) -> dict[str, JsonValue]:
        """Who is asked what."""
        checkpoint, seeds = self.checkpoint(name), self.profile.seeds
        held_out = seeds.model_dump(mode="json", include={"tasks", "held_out_share", "held_out_per_task"})
        return {
            "checkpoint": self.materials.model_key("student") if checkpoint is None else checkpoint.id,
            "name": name,
            "questions": [held_out, self.profile.seed, SEEDS_VERSION],
            "seed": self.seed,
        }
