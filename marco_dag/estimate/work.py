"""What each stage of a profile has to do: tokens sampled and trained on, arithmetic, bytes kept.

Arithmetic as usual (Kaplan et al. 2020, arXiv 2001.08361, §2.1): a token costs 2 operations a parameter to read or to
sample, and 6 to train on; under LoRA 4, since no weight that is frozen needs its gradient. Attention beyond the weights
is left out: it matters for chains of tens of thousands of tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from marco_dag.engines.config import EngineConfig, ServerConfig, VllmConfig
from marco_dag.estimate.priors import Priors
from marco_dag.estimate.questions import benchmark_responses
from marco_dag.estimate.sizes import ModelSize
from marco_dag.estimate.yields import TreeYield
from marco_dag.profiles import Profile
from marco_dag.search.prompts import INSTRUCTIONS
from marco_dag.training.config import RecipeConfig, StageConfig

_READ, _TRAIN, _TRAIN_ADAPTERS = 2, 6, 4
_CHARS_PER_TOKEN = 4
_ROW_BYTES = 20
"""A row of a compressed table beyond its text: ids, numbers."""
_POINT_BYTES = 280
"""A point of a curve in MLflow's database, with its indexes: 12,133 of them are 3.4 MB in the miniature's."""
_METRICS = {"pretraining": 2, "sft": 6, "recipe": 9}
"""Curves of a training stage, each a point a step."""
_ADAM_BYTES = 12
"""A trained parameter in a saved training state: float32 weight and two moments."""
_STATES = 2
"""Training states that are kept while a stage trains (`save_total_limit`)."""
BOOKKEEPING_BYTES = 2.3e6
"""MLflow's empty database, the report and its copy, lineage's views: the same for every profile."""


@dataclass(frozen=True, slots=True)
class StageWork:
    """One stage, or one checkpoint of it."""

    stage: str
    sampled: float = 0.0
    """Tokens sampled."""
    trained: float = 0.0
    """Tokens that go through training forward and backward, prompts included, padding not."""
    sampling: float = 0.0
    """Operations of sampling, prompts read included."""
    training: float = 0.0
    """Operations of training, a reference model's included."""
    kept: float = 0.0
    """Bytes that stay."""
    passing: float = 0.0
    """Bytes on the disk beside them while the stage runs."""
    engine: str = ""
    """Who samples: "transformers", "server" or "vllm"."""
    is_search: bool = False
    """Whether what is sampled waits for what was sampled before."""
    devices: int = 1
    """That it runs on."""


@dataclass(frozen=True, slots=True)
class Models:
    """The sizes of the three."""

    generator: ModelSize
    critic: ModelSize
    student: ModelSize


def stages_of(
    profile: Profile, models: Models, trees: TreeYield, priors: Priors, questions: int
) -> Iterator[StageWork]:
    """The work of every stage in order, of `questions` training questions whose trees are like `trees`."""
    if any(size.is_embedded for size in (models.generator, models.critic, models.student)):
        yield _pretraining(profile, models)
    if profile.seeds.difficulty:
        yield _difficulty(profile, models, priors, questions)
    yield _search(profile, models, trees, priors, questions)
    examples = trees.examples * questions
    tokens = examples * (priors.prompt_tokens + trees.example_tokens + 1) * profile.sft.epochs
    yield _training("sft", profile.sft, models.student, examples, tokens, tokens_read=0.0, metrics=_METRICS["sft"])
    for name, recipe in profile.recipes.items():
        yield _second_stage(name, recipe, models.student, trees, priors, questions)
    for name in profile.checkpoints:
        yield _scores(name, profile, models.student, trees, priors)


def devices_of(engines: Sequence[EngineConfig]) -> int:
    """The devices that engines use together, ≥ 1: the GPUs they name, else one a replica, or one a server."""
    named: set[str] = set()
    unnamed = 0
    for engine in engines:
        if isinstance(engine, VllmConfig) and engine.gpus is not None:
            named.update(gpu for group in engine.gpus for gpu in group.split(","))
        elif isinstance(engine, VllmConfig):
            unnamed = max(unnamed, engine.replicas)
        elif isinstance(engine, ServerConfig):
            unnamed += len(engine.urls)
    return max(1, len(named) + unnamed)


def _pretraining(profile: Profile, models: Models) -> StageWork:
    config = profile.miniature
    steps = config.generator.steps + config.critic.steps + config.student.steps
    tokens = sum(part.steps * part.tokens_per_step for part in (config.generator, config.critic, config.student))
    return StageWork(
        "models",
        trained=tokens,
        training=_TRAIN * models.student.parameters * tokens,
        kept=3 * models.student.bytes + steps * _METRICS["pretraining"] * _POINT_BYTES,
    )


def _difficulty(profile: Profile, models: Models, priors: Priors, questions: int) -> StageWork:
    config = profile.seeds.difficulty
    assert config is not None
    sampled = questions * config.samples * min(priors.direct_tokens, config.max_tokens)
    return StageWork(
        "difficulty",
        sampled=sampled,
        sampling=_READ * models.student.parameters * (sampled + questions * priors.prompt_tokens),
        kept=questions * _ROW_BYTES,
        engine=profile.engine_of("student").kind,
        devices=devices_of([profile.engine_of("student")]),
    )


def _search(profile: Profile, models: Models, trees: TreeYield, priors: Priors, questions: int) -> StageWork:
    """Every tree reads its question and the system message once for each of its two writers."""
    system = INSTRUCTIONS if profile.search.instructions is None else profile.search.instructions
    prompt = priors.prompt_tokens + len(system) / _CHARS_PER_TOKEN
    shares = ((models.generator, 1 - trees.critic_share), (models.critic, trees.critic_share))
    text = priors.text_bytes
    thoughts = trees.thoughts * _ROW_BYTES + trees.tokens * text
    chains = trees.chains * (_ROW_BYTES + trees.chain_tokens * text)
    examples = trees.examples * (_ROW_BYTES + trees.example_tokens * text)
    pairs = sum(
        pair.count * (_ROW_BYTES + (pair.chosen_tokens + pair.rejected_tokens) * text) for pair in trees.pairs.values()
    )
    return StageWork(
        "trees",
        sampled=questions * trees.tokens,
        sampling=sum(_READ * size.parameters * questions * (trees.tokens * share + prompt) for size, share in shares),
        kept=questions * (2 * thoughts + chains + examples + pairs),
        passing=questions * thoughts,
        engine=profile.engine_of("generator").kind,
        is_search=True,
        devices=devices_of([profile.engine_of("generator"), profile.engine_of("critic")]),
    )


def _second_stage(
    name: str, recipe: RecipeConfig, student: ModelSize, trees: TreeYield, priors: Priors, questions: int
) -> StageWork:
    """The preference term reads both sides, once more for the reference; without it the chosen side alone is read."""
    pair = trees.pairs[recipe.chosen]
    pairs = pair.count * questions
    chosen, rejected = (tokens + priors.prompt_tokens + 1 for tokens in (pair.chosen_tokens, pair.rejected_tokens))
    compares = recipe.preference_weight > 0
    tokens = pairs * (chosen + rejected if compares else chosen)
    read = tokens if compares else 0.0
    return _training(name, recipe, student, pairs, tokens * recipe.epochs, tokens_read=read, metrics=_METRICS["recipe"])


def _training(
    name: str,
    config: StageConfig,
    student: ModelSize,
    examples: float,
    tokens: float,
    *,
    tokens_read: float,
    metrics: int,
) -> StageWork:
    steps = config.epochs * examples / config.batch_size
    per_token = _TRAIN if config.lora is None else _TRAIN_ADAPTERS
    trained_parameters = student.parameters if config.lora is None else 0.0
    return StageWork(
        name,
        trained=tokens,
        training=student.parameters * (per_token * tokens + _READ * tokens_read),
        kept=student.bytes + steps * metrics * _POINT_BYTES,
        passing=_STATES * _ADAM_BYTES * trained_parameters,
    )


def _scores(name: str, profile: Profile, student: ModelSize, trees: TreeYield, priors: Priors) -> StageWork:
    """A checkpoint answers at the length that it was trained on; the base student as it always did."""
    config, seeds = profile.evaluation, profile.seeds
    length = _response_tokens(name, profile, trees, priors)
    held_out = seeds.held_out_per_task * len(seeds.tasks) * (1 + config.samples)
    responses, sampled = held_out, held_out * min(length, config.max_tokens)
    for benchmark, how in config.benchmarks.items():
        count = benchmark_responses(benchmark, how)
        responses += count
        sampled += count * min(length, how.procedure(benchmark).max_tokens)
    return StageWork(
        f"scores of {name}",
        sampled=sampled,
        sampling=_READ * student.parameters * (sampled + responses * priors.prompt_tokens),
        kept=3 * (responses * _ROW_BYTES + sampled * priors.text_bytes),
        engine=profile.engine_of("student").kind,
        devices=devices_of([profile.engine_of("student")]),
    )


def _response_tokens(name: str, profile: Profile, trees: TreeYield, priors: Priors) -> float:
    if name == "base":
        return priors.direct_tokens
    if name == "sft":
        return trees.example_tokens or priors.direct_tokens
    return trees.pairs[profile.recipes[name].chosen].chosen_tokens or priors.direct_tokens
