"""A search without models: the trees that a profile's settings make of writers who do as the priors say.

The patterns, the stop rules, the budgets and the merging of equal thoughts are the search's own (`marco_dag.search`);
only the words are drawn. So whatever the profile says about search shows in the estimate, without a formula for it.
"""

import random
from collections.abc import Sequence

import polars as pl

from marco_dag.engines.protocol import Completion, Request, RoleEngines
from marco_dag.errors import TaskError
from marco_dag.estimate.priors import Priors
from marco_dag.schemas import SEED_PROMPTS
from marco_dag.search import Forest, SearchConfig, search_trees
from marco_dag.tasks.answers import read_answer
from marco_dag.tasks.protocol import Reference, Verdict
from marco_dag.thoughts import ThoughtKind

_RIGHT, _WRONG = "right", ("wrong", "other", "else")
_WORDS = tuple(f"w{number}" for number in range(1000))
_SHAPE = 6
"""Of the gamma distribution of a thought's tokens: their spread is 0.4 of their mean."""


def rehearse(config: SearchConfig, priors: Priors, *, trees: int, seed: int = 0) -> tuple[Forest, pl.DataFrame]:
    """Grow `trees` trees by `config` and `priors`; returns them and their questions (`schemas.SEED_PROMPTS`)."""
    rows = [(f"seed-{i}", RehearsalTask.name, str(i), "{}", "rehearsal", "train", "rehearsal") for i in range(trees)]
    questions = pl.DataFrame(rows, schema=SEED_PROMPTS, orient="row")
    writer = RehearsalEngine(priors)
    roles: RoleEngines = {"generator": writer, "critic": writer}
    forest = search_trees(questions, roles, config, seed=seed, tasks={RehearsalTask.name: RehearsalTask()})
    return forest, questions


def encode_words(texts: Sequence[str]) -> list[list[int]]:
    """Token ids of rehearsed texts: a word is a token, and a tag is one."""
    return [[hash(word) for word in text.replace("<", " <").replace(">", "> ").split()] for text in texts]


class RehearsalTask:
    """An answer is right where it says so."""

    name = "rehearsal"

    def check_reference(self, reference: Reference) -> None:
        """Any will do."""

    def verify(self, response: str, reference: Reference) -> Verdict:  # noqa: ARG002
        """Correct where the answer opens with "right"."""
        answer = read_answer(response)
        if answer is None:
            raise TaskError(f"a rehearsed chain has no answer: {response[-80:]!r}")
        return Verdict("correct" if _RIGHT in answer else "wrong", "as drawn", answer)


class RehearsalEngine:
    """Writes words at random, as many as the priors say; which is decided by the request's seed and prompt."""

    def __init__(self, priors: Priors) -> None:
        self._priors = priors

    @property
    def model_digest(self) -> str:
        """No model's."""
        return "rehearsal"

    @property
    def capacity(self) -> int:
        """Any number would do."""
        return 1024

    async def check(self, request: Request) -> None:
        """Every request can be served."""

    async def close(self) -> None:
        """Nothing is held."""

    async def complete(self, request: Request) -> Sequence[Completion]:
        """See the class."""
        return [self._write(request, sample) for sample in range(request.n)]

    def _write(self, request: Request, sample: int) -> Completion:
        [stop] = request.stop
        draw = random.Random(f"{request.seed} {sample}")
        if stop == ThoughtKind.ANSWER.closing_tag:
            tokens, opening = round(self._priors.answer_tokens), self._verdict(request, draw)
            words = random.Random(opening)
        else:
            is_likeliest = draw.random() < self._priors.repeats
            words = random.Random(f"{request.seed}") if is_likeliest else draw
            tokens, opening = round(words.gammavariate(_SHAPE, self._priors.thought_tokens / _SHAPE)), "so"
        tokens = max(2, tokens)
        text = " ".join([opening, *words.choices(_WORDS, k=tokens - 2)])
        if tokens > request.max_tokens:
            return Completion(text, request.max_tokens, "length")
        return Completion(text, tokens, "stop", stop, 0.5 if request.confidence else None)

    def _verdict(self, request: Request, draw: random.Random) -> str:
        right, alike = self._priors.right, self._priors.concentration
        chance = random.Random(request.messages[-1].content).betavariate(right * alike, (1 - right) * alike)
        return _RIGHT if draw.random() < chance else draw.choice(_WRONG)
