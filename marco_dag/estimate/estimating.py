"""From a profile to its estimate."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from marco_dag.estimate.costs import Estimate, cost
from marco_dag.estimate.hardware import HARDWARE, Hardware
from marco_dag.estimate.pilot import Pilot
from marco_dag.estimate.priors import EMBEDDED, INSTRUCT, Priors
from marco_dag.estimate.questions import training_questions
from marco_dag.estimate.rehearsal import encode_words, rehearse
from marco_dag.estimate.sizes import model_size
from marco_dag.estimate.work import Models, stages_of
from marco_dag.estimate.yields import TreeYield, yield_of
from marco_dag.profiles import Profile

_REHEARSED = 200
"""Trees: their mean tokens are then within some 5% of those of as many as there may be."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What an estimate goes by beside the profile."""

    hardware: Hardware | None = None
    """The machine; None: `usual_hardware`."""
    questions: int | None = None
    """Training questions, ≥ 1; None: counted."""
    parameters: Mapping[str, float] = field(default_factory=dict)
    """Weights of models by role; those that are not here are counted or read off the names."""
    pilot: Pilot | None = None
    """Trees of the profile's own models; None: a rehearsal stands for them."""


def estimate(profile: Profile, basis: Basis) -> Estimate:
    """What `profile` will take. ProfileError names what cannot be known and the option that says it."""
    models = Models(*(model_size(profile, role, basis.parameters) for role in ("generator", "critic", "student")))
    hardware, priors = basis.hardware or usual_hardware(profile), priors_of(profile)
    questions = training_questions(profile, basis.questions)
    if basis.pilot is None:
        trees = rehearsed(profile)
    else:
        trees, pilot = basis.pilot.trees, basis.pilot
        priors = replace(priors, prompt_tokens=pilot.prompt_tokens)
        rate = _operations(models, trees) * pilot.tokens_per_s / pilot.devices / hardware.search_share
        hardware = replace(hardware, sampling_in_process=rate, sampling_by_server=rate)
    return cost(list(stages_of(profile, models, trees, priors, questions)), hardware)


def rehearsed(profile: Profile) -> TreeYield:
    """What trees yield as the priors have it."""
    forest, questions = rehearse(profile.search, priors_of(profile), trees=_REHEARSED)
    return yield_of(forest, questions, encode_words, profile)


def priors_of(profile: Profile) -> Priors:
    """How the profile's generator writes, before it was asked."""
    return EMBEDDED if profile.models.generator == "miniature" else INSTRUCT


def usual_hardware(profile: Profile) -> Hardware:
    """H100s where the generator is served by vLLM or another server; else the CPU."""
    return HARDWARE["cpu" if profile.engine_of("generator").kind == "transformers" else "h100"]


def _operations(models: Models, trees: TreeYield) -> float:
    """Of a sampled token of a search, mean over the two writers."""
    share = trees.critic_share
    return 2 * (models.generator.parameters * (1 - share) + models.critic.parameters * share)
