"""What all variants of one seed stand on: models, questions, trees, chains, SFT sets and SFT checkpoints."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from marco_dag.curation import CURATION_VERSION, balanced_cot, extract_chains
from marco_dag.engines import Role, RoleEngines, checkpoint_digest, fetch_checkpoint, load_encoder, open_roles
from marco_dag.identity import JsonValue, digest_file
from marco_dag.miniature import MODELS_KIND, embedded_models
from marco_dag.profiles import Profile
from marco_dag.schemas import SEED_PROMPTS, digest_frame
from marco_dag.search import SEARCH_VERSION, THOUGHTS_FILE, TREES_FILE, search_into
from marco_dag.search.config import NO_END_BUT_TOKENS, SearchConfig
from marco_dag.seeds import GENERATED, SEEDS_VERSION, generated_seeds
from marco_dag.storage import Storage
from marco_dag.store import ArtifactStore
from marco_dag.study.overthinking import overthinking_cot, read_long_cot
from marco_dag.study.pieces import Piece
from marco_dag.study.variants import SftData, study_of, unwatched
from marco_dag.training import TRAINING_VERSION, sft_within_tokens, train_sft

CHAINS_FILE, COT_FILE = "chains.parquet", "cot_set.parquet"
"""What the pieces of chains and of SFT sets hold."""

MATERIALS_VERSION = "1"
"""Raised whenever the same arguments would give another over-thinking SFT set or other rejection samples."""


@dataclass(frozen=True, slots=True)
class Study:
    """What all seeds have in common."""

    profile: Profile
    """Models, questions, search, curation, trainings and evaluation."""
    artifacts: Path
    """Where pieces are kept: a store's root."""
    logs: Path
    """What servers say that are started."""
    prompts: pl.DataFrame = field(default_factory=SEED_PROMPTS.to_frame)
    """Training questions beside the generated ones (schemas.SEED_PROMPTS), the same for every seed."""

    @property
    def store(self) -> ArtifactStore:
        """The store that holds the pieces."""
        return ArtifactStore(self.artifacts)


class Materials:
    """One seed's, piece by piece; none is made before it is asked for."""

    def __init__(self, study: Study, seed: int) -> None:
        """`seed`, in [0, 2**31), decides embedded models, questions, trees and trainings."""
        self.study = study
        self.seed = seed
        self.profile = unwatched(study.profile)
        self.config = study_of(study.profile)

    def questions(self) -> pl.DataFrame:
        """The training questions (schemas.SEED_PROMPTS) that are searched."""
        config, own = self.profile.seeds, self.config.generated_per_task
        if own is not None:
            config = config.model_copy(update={"generated_per_task": own})
        return pl.concat([generated_seeds(config, seed=self.seed, batch=GENERATED), self.study.prompts])

    def models(self) -> Piece | None:
        """Embedded generator, critic and base student of this seed, a folder each; None where all come from outside."""
        if "miniature" not in self.profile.models.model_dump().values():
            return None
        share = self.profile.seeds.held_out_share
        key, train = embedded_models(self.profile.miniature, held_out_share=share, seed=self.seed)
        return Piece(self.study.store, MODELS_KIND, key, train)

    def model(self, role: Role | str) -> str:
        """Where a role's model is: a folder or a name on the hub; embedded ones are made where they are missing."""
        source, embedded = getattr(self.profile.models, role), self.models()
        if source == "miniature":
            assert embedded is not None
            return str(embedded.path / role)
        return str(fetch_checkpoint(source)) if role == "student" else source

    def model_key(self, role: Role | str) -> JsonValue:
        """What identifies a role's model, made or not."""
        source, embedded = getattr(self.profile.models, role), self.models()
        if source == "miniature":
            assert embedded is not None
            return [embedded.id, role]
        return checkpoint_digest(self.model(role))

    def trees(self) -> Piece:
        """The search of the training questions by generator and critic."""

        def search(folder: Path) -> None:
            with self.writers(self.model("generator")) as engines:
                search_into(folder, self.questions(), engines, self.profile.search, seed=self.seed)

        key = {**self.search_key(), "models": [self.model_key("generator"), self.model_key("critic")]}
        return Piece(self.study.store, "trees", key, search)

    def samples(self) -> Piece:
        """Rejection sampling: independent chains of the generator, as many tokens a question as its tree took."""
        trees = self.trees()
        config = SearchConfig.model_validate(
            {**self.profile.search.model_dump(), **NO_END_BUT_TOKENS, "strategy": "best-of-n"}
        )

        def search(folder: Path) -> None:
            budgets = dict(pl.read_parquet(trees.path / TREES_FILE).select("seed_id", "tokens").iter_rows())
            with self.writers(self.model("generator")) as engines:
                search_into(folder, self.questions(), engines, config, seed=self.seed, budgets=budgets)

        key: dict[str, JsonValue] = {"budgets": trees.id, **self.search_key(config), "code": MATERIALS_VERSION}
        return Piece(self.study.store, "trees", key, search)

    def chains(self, grown: Piece) -> Piece:
        """The chains (schemas.CHAINS) of trees, with the `task` of each."""

        def extract(folder: Path) -> None:
            trees, thoughts = read_trees(grown.path)
            chains = extract_chains(trees, thoughts, load_encoder(self.model("student")))
            tasks = trees.select("tree_id", "task")
            chains.join(tasks, on="tree_id", how="left", maintain_order="left").write_parquet(folder / CHAINS_FILE)

        key: dict[str, JsonValue] = {
            "trees": grown.id,
            "student": self.model_key("student"),
            "code": CURATION_VERSION,
        }
        return Piece(self.study.store, "chains", key, extract)

    def cot_set(self, data: SftData) -> Piece:
        """The SFT set (schemas.COT_SET) of one kind of data."""
        config, file = self.profile.curation, self.config.long_cot
        chains = self.chains(self.samples() if data == "samples" else self.trees())

        def curate(folder: Path) -> None:
            encode = load_encoder(self.model("student"))
            if data == "long-cot" and file is not None:
                rows = read_long_cot(Path(file), encode, config)
            else:
                found, questions = pl.read_parquet(chains.path / CHAINS_FILE).drop("task"), self.questions()
                rows = (
                    overthinking_cot(found, questions, encode, config, seed=self.seed)
                    if data == "long-cot"
                    else balanced_cot(found, questions, config)
                )
            rows.write_parquet(folder / COT_FILE)

        key: dict[str, JsonValue] = {
            "data": data,
            "chains": chains.id,
            "file": digest_file(Path(file)) if data == "long-cot" and file is not None else None,
            "curation": config.model_dump(mode="json"),
            "seed": self.seed,
            "code": [CURATION_VERSION, MATERIALS_VERSION],
        }
        return Piece(self.study.store, "cot_sets", key, curate)

    def sft(self, data: SftData) -> Piece:
        """The student after SFT on one kind of data, at as many training tokens as the trees' set takes."""
        config, own, standard = self.profile.sft, self.cot_set(data), self.cot_set("trees")

        def train(folder: Path) -> None:
            student, rows = Path(self.model("student")), pl.read_parquet(own.path / COT_FILE)
            how = config
            if data != "trees":
                how = sft_within_tokens(config, student, rows, pl.read_parquet(standard.path / COT_FILE))
            train_sft(student, rows, how, seed=self.seed, folder=folder)

        key: dict[str, JsonValue] = {
            "student": self.model_key("student"),
            "cot_set": own.id,
            "tokens": standard.id,
            "config": config.deciding(),
            "seed": self.seed,
            "code": TRAINING_VERSION,
        }
        return Piece(self.study.store, "sft", key, train)

    def search_key(self, config: SearchConfig | None = None) -> dict[str, JsonValue]:
        """What decides trees beside their writers."""
        config = self.profile.search if config is None else config
        seeds = self.profile.seeds.model_dump(mode="json", include={"tasks", "held_out_share", "generated_per_task"})
        return {
            "questions": [seeds, self.config.generated_per_task, self.seed, SEEDS_VERSION],
            "prompts": digest_frame(self.study.prompts),
            "search": config.model_dump(mode="json", exclude={"live_sequences"}),
            "search_seed": self.seed,
            "search_code": SEARCH_VERSION,
        }

    @contextmanager
    def writers(self, generator: str) -> Iterator[RoleEngines]:
        """`generator`, and the teacher's critic."""
        paths: dict[Role, str] = {"generator": generator, "critic": self.model("critic")}
        configs = {role: self.profile.engine_of(role) for role in paths}
        with open_roles(paths, configs, logs=self.study.logs, say=say) as engines:
            yield engines


def user_prompts(storage: Storage) -> pl.DataFrame:
    """The training questions of the batches that users brought (schemas.SEED_PROMPTS), as far as they were taken in."""
    files = sorted(storage.table_folder("seed_prompts").glob("*.parquet"))
    tables = [pl.read_parquet(file) for file in files]
    return pl.concat([SEED_PROMPTS.to_frame(), *(table.filter(pl.col("batch") != GENERATED) for table in tables)])


def read_trees(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Trees and thoughts of a finished search."""
    return pl.read_parquet(folder / TREES_FILE), pl.read_parquet(folder / THOUGHTS_FILE)


def say(line: str) -> None:
    """What servers say goes to standard error."""
    sys.stderr.write(f"{line}\n")
