"""A pilot: a few trees by the profile's own models, so that an estimate need not guess how they write and how fast."""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import polars as pl

from marco_dag.engines import Role, load_encoder, open_roles
from marco_dag.errors import ProfileError
from marco_dag.estimate.work import devices_of
from marco_dag.estimate.yields import TreeYield, yield_of
from marco_dag.profiles import Profile
from marco_dag.schemas import TABLES
from marco_dag.search import search_trees
from marco_dag.seeds import GENERATED, generated_seeds
from marco_dag.storage import Storage

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Pilot:
    """What a few trees showed."""

    trees: TreeYield
    """What they yield."""
    prompt_tokens: float
    """Of a question as the student's chat template renders it, mean."""
    tokens_per_s: float
    """Sampled by the whole search; a little low where so few trees do not fill the engines."""
    devices: int
    """That sampled them."""


def run_pilot(profile: Profile, trees: int, storage: Storage) -> Pilot:
    """Grow up to `trees` trees by the profile's engines and curate them; nothing is kept.

    The questions are spread over the seed prompts of `storage`, or, where there are none, over the generated ones.
    ProfileError where there is no question or no embedded model yet; errors of engines and search as theirs.
    """
    questions = _questions(profile, trees, storage)
    roles: tuple[Role, ...] = get_args(Role)
    paths = {role: model_path(profile, role, storage) for role in roles}
    student = model_path(profile, "student", storage)
    encode = load_encoder(student)
    configs = {role: profile.engine_of(role) for role in roles}
    with open_roles(paths, configs, logs=storage.engine_logs, say=_say) as engines:
        start = time.perf_counter()
        forest = search_trees(questions, engines, profile.search, seed=profile.seed)
        seconds = time.perf_counter() - start
    return Pilot(
        trees=yield_of(forest, questions, encode, profile),
        prompt_tokens=_prompt_tokens(student, questions["prompt"].to_list()),
        tokens_per_s=float(forest.trees["tokens"].sum()) / seconds,
        devices=devices_of(list(configs.values())),
    )


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def model_path(profile: Profile, role: str, storage: Storage) -> str:
    """What loads a model: the profile's folder or name, or where the embedded model of `storage` lies."""
    source: str = getattr(profile.models, role)
    if source != "miniature":
        return source
    manifest = storage.manifest_file("base_models")
    if not manifest.is_file():
        raise ProfileError(f"models.{role}: {storage.root} holds no embedded models yet; materialize base_models first")
    return str(storage.root / json.loads(manifest.read_text())[role]["location"])


def _questions(profile: Profile, count: int, storage: Storage) -> pl.DataFrame:
    files = sorted(storage.table_folder("seed_prompts").glob("*.parquet"))
    found = pl.concat([TABLES["seed_prompts"].to_frame(), *(pl.read_parquet(file) for file in files)])
    if found.is_empty():
        found = generated_seeds(profile.seeds, seed=profile.seed, batch=GENERATED)
    if found.is_empty():
        raise ProfileError(f"seeds: {storage.root} holds no questions yet; materialize seed_prompts first")
    unique = found.unique("seed_id", keep="first", maintain_order=True)
    return unique.gather_every(max(1, unique.height // count)).head(count)


def _prompt_tokens(student: str, prompts: list[str]) -> float:
    from marco_dag.engines.loading import load_tokenizer

    tokenizer: PreTrainedTokenizerBase = load_tokenizer(Path(student) if Path(student).is_dir() else student)
    conversations = [[{"role": "user", "content": prompt}] for prompt in prompts]
    rendered = tokenizer.apply_chat_template(conversations, tokenize=False, add_generation_prompt=True)
    return sum(len(ids) for ids in tokenizer(rendered, add_special_tokens=False)["input_ids"]) / len(prompts)
