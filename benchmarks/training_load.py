"""What the training benchmark trains on and with: the miniature's own trees, TRL's trainers and ours."""

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import polars as pl
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from benchmarks.search_load import PROFILE, find_models
from marco_dag import curation
from marco_dag.engines import Role, TransformersConfig, load_encoder, load_engine
from marco_dag.search import search_trees
from marco_dag.seeds import generated_seeds
from marco_dag.training import RecipeConfig, SftConfig, StageConfig
from marco_dag.training.assembly import preference_trainer, supervised_trainer
from marco_dag.training.examples import pair_examples, sft_examples
from marco_dag.training.models import load_student, load_tokenizer

Packing: TypeAlias = Literal["tree", "none"]

_EVERYTHING = PROFILE.curation.model_copy(update={"sft_chains_per_prompt": 10_000, "pairs_per_prompt": 10_000})
_PASS = {"epochs": 1, "max_tokens": 1024, "checkpoint_every": 10_000}


@dataclass(frozen=True, slots=True)
class Harvest:
    """What comes out of the miniature's trees."""

    student: Path
    """A checkpoint of the miniature's architecture, hardly trained."""
    chains: pl.DataFrame
    """schemas.COT_SET: every correct chain of every tree."""
    pairs: pl.DataFrame
    """schemas.PREFERENCE_PAIRS: the shortest correct chain of every tree against every wrong one."""
    recipe_pairs: pl.DataFrame
    """schemas.PREFERENCE_PAIRS: those that the profile's plain DPO takes."""


def harvest(trees_per_task: int) -> Harvest:
    """Search the profile's seeds with the profile's generator and critic, and curate."""
    models = find_models()
    seeds = generated_seeds(
        PROFILE.seeds.model_copy(update={"generated_per_task": trees_per_task}), seed=PROFILE.seed, batch="generated"
    )
    engine = TransformersConfig.model_validate(PROFILE.engine.model_dump())
    roles: tuple[Role, ...] = get_args(Role)
    engines = {role: load_engine(models / role, engine) for role in roles}
    forest = search_trees(seeds, engines, PROFILE.search, seed=PROFILE.seed)
    student = models / "student"
    encode = load_encoder(str(student))
    chains = curation.extract_chains(forest.trees, forest.thoughts, encode)
    rank = PROFILE.recipes["plain-dpo"].chosen
    return Harvest(
        student=student,
        chains=curation.balanced_cot(chains, seeds, _EVERYTHING),
        pairs=curation.preference_pairs(chains, forest.thoughts, seeds, encode, ["shortest"], _EVERYTHING),
        recipe_pairs=curation.preference_pairs(chains, forest.thoughts, seeds, encode, [rank], PROFILE.curation),
    )


class Pass(ABC):
    """One pass of a stage over rows; an example has the same place in our data set and in TRL's."""

    config: StageConfig
    groups: Sequence[tuple[int, ...]]
    """Of each example its prompt's token ids."""
    paths: Sequence[Sequence[list[int]]]
    """Of each example the sequences that it is trained on."""

    @abstractmethod
    def ours(self, folder: Path, packing: Packing) -> Trainer:
        """Our trainer, on packed rows or on padded ones."""

    @abstractmethod
    def trl(self, folder: Path) -> Trainer:
        """TRL's trainer, as its users call it."""


class SftPass(Pass):
    """SFT over `chains` (schemas.COT_SET)."""

    config = SftConfig.model_validate(_PASS | {"batch_size": 64, "learning_rate": PROFILE.sft.learning_rate})

    def __init__(self, student: Path, chains: pl.DataFrame) -> None:
        self._student = student
        self._chains = chains.sort("chain_id")
        self._tokenizer = load_tokenizer(student)
        self._examples, _ = sft_examples(self._chains, self._tokenizer, self.config.max_tokens)
        self.groups = [tuple(example.prompt) for example in self._examples]
        self.paths = [[example.prompt + example.completion] for example in self._examples]

    def ours(self, folder: Path, packing: Packing) -> Trainer:  # noqa: D102
        config = self.config.model_copy(update={"packing": packing})
        model = load_student(self._student, self._tokenizer, config)
        return supervised_trainer(config, model, self._tokenizer, self._examples, seed=0, states=folder)

    def trl(self, folder: Path) -> Trainer:  # noqa: D102
        rows = [
            {"prompt": _said("user", prompt), "completion": _said("assistant", completion)}
            for prompt, completion in self._chains.select("prompt", "completion").iter_rows()
        ]
        with _as_in_ci():
            return SFTTrainer(
                model=AutoModelForCausalLM.from_pretrained(self._student),
                args=SFTConfig(**_arguments(self.config, len(rows), folder)),
                train_dataset=Dataset.from_list(rows),
                processing_class=AutoTokenizer.from_pretrained(self._student),
            )


class DpoPass(Pass):
    """DPO over `pairs` (schemas.PREFERENCE_PAIRS)."""

    config = RecipeConfig.model_validate(
        _PASS | {"description": "DPO", "batch_size": 32, "learning_rate": PROFILE.recipes["plain-dpo"].learning_rate}
    )

    def __init__(self, student: Path, pairs: pl.DataFrame) -> None:
        self._student = student
        self._pairs = pairs.sort("pair_id")
        self._tokenizer = load_tokenizer(student)
        self._examples, _ = pair_examples(self._pairs, self._tokenizer, self.config.max_tokens)
        self.groups = [tuple(example.prompt) for example in self._examples]
        self.paths = [[pair.prompt + pair.chosen, pair.prompt + pair.rejected] for pair in self._examples]

    def ours(self, folder: Path, packing: Packing) -> Trainer:  # noqa: D102
        config = self.config.model_copy(update={"packing": packing})
        model = load_student(self._student, self._tokenizer, config)
        return preference_trainer(config, model, self._tokenizer, self._examples, seed=0, states=folder)

    def trl(self, folder: Path) -> Trainer:  # noqa: D102
        return trl_dpo(self._student, self._pairs, self.config, folder)


PASSES: Mapping[str, Callable[[Path, pl.DataFrame], Pass]] = {"sft": SftPass, "dpo": DpoPass}
"""From a checkpoint and a stage's rows."""


def trl_dpo(student: Path, pairs: pl.DataFrame, recipe: RecipeConfig, folder: Path) -> DPOTrainer:
    """TRL's DPOTrainer; the reference's log-probabilities are computed once, by this call."""
    rows = [
        {"prompt": _said("user", prompt), "chosen": _said("assistant", right), "rejected": _said("assistant", wrong)}
        for prompt, right, wrong in pairs.select("prompt", "chosen", "rejected").iter_rows()
    ]
    with _as_in_ci():
        return DPOTrainer(
            model=AutoModelForCausalLM.from_pretrained(student),
            args=DPOConfig(**_arguments(recipe, len(rows), folder), beta=recipe.beta, precompute_ref_log_probs=True),
            train_dataset=Dataset.from_list(rows),
            processing_class=AutoTokenizer.from_pretrained(student),
        )


def _said(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def _arguments(config: StageConfig, examples: int, folder: Path) -> dict[str, Any]:
    """Our settings, and for the rest TRL's own, but for what would only slow a CPU down."""
    steps = -(-examples // config.batch_size) * config.epochs
    return {
        "output_dir": str(folder),
        "per_device_train_batch_size": config.batch_size,
        "learning_rate": config.learning_rate,
        "num_train_epochs": config.epochs,
        "warmup_steps": int(config.warmup_share * steps),
        "max_length": None,
        "bf16": False,
        "activation_checkpointing": False,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


@contextmanager
def _as_in_ci() -> Iterator[None]:
    """TRL counts its users over the network, but not in CI; and peft asks for a name that transformers deprecates."""
    before = os.environ.get("CI")
    os.environ["CI"] = "1"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        if before is None:
            del os.environ["CI"]
        else:
            os.environ["CI"] = before
