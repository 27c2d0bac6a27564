"""Training traces: chains of typed thoughts, as the paper's transition patterns order them, mistakes included.

What a model learns of a trace is marked segment by segment: it reads a wrong answer and the tag that the search forces
behind it, and learns what comes after. So a model can mend mistakes without learning to make more of them.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from marco_dag.miniature.worked import METHODS, Worked
from marco_dag.tasks import GENERATING_TASKS, Question, is_held_out
from marco_dag.thoughts import Thought, ThoughtKind

ModelRole: TypeAlias = Literal["generator", "critic", "student"]
"""Which of the embedded models a trace is for."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a trace's text; pieces join at tags."""

    text: str
    learned: bool
    """Whether the model is trained to write it; False: it only reads it."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A prompt and a whole response to it."""

    prompt: str
    segments: tuple[Segment, ...]

    @property
    def response(self) -> str:
        """The whole text of the response."""
        return "".join(segment.text for segment in self.segments)


def draw_trace(role: ModelRole, rng: random.Random, *, error_rate: float, held_out_share: float) -> Trace:
    """A trace for a random training question of a random task; never a held-out prompt.

    `error_rate` in [0, 1): the share of attempts with a mistake, where the model learns the attempt.
    """
    name = rng.choice(list(METHODS))
    while is_held_out((question := GENERATING_TASKS[name].generate(rng)).prompt, held_out_share):
        pass
    writer = _Writer(name, question, rng, error_rate)
    _WRITERS[role](writer)
    return Trace(question.prompt, tuple(writer.segments))


class _Writer:
    """Writes one trace, block by block."""

    def __init__(self, task: str, question: Question, rng: random.Random, error_rate: float) -> None:
        self.method = METHODS[task]
        self.question = question
        self.rng = rng
        self.error_rate = error_rate
        self.segments: list[Segment] = []
        self.current = self.attempt()

    def attempt(self, *, mistaken: bool | None = None, care: float = 1.0) -> Worked:
        """Work the question; by default mistaken at the error rate, times `care`."""
        if mistaken is None:
            mistaken = self.rng.random() < self.error_rate * care
        return self.method.work(self.question, self.rng, mistaken)

    def block(self, kind: ThoughtKind, text: str, *, learned: bool = True, forced: bool = False) -> None:
        """Append a block; of a `forced` one only what follows the opening tag is learned."""
        rendered = Thought(kind, text).render()
        if forced and learned:
            self.segments.append(Segment(kind.opening_tag, learned=False))
            rendered = rendered.removeprefix(kind.opening_tag)
        self.segments.append(Segment(rendered, learned))

    def sub_task(self, *, learned: bool = True) -> None:
        self.block(ThoughtKind.SUB_TASK, self.method.restate(self.question), learned=learned)

    def hypothesis(self, *, forced: bool = False, learned: bool = True) -> None:
        guess = self.attempt(mistaken=self.rng.random() < _WRONG_GUESSES)
        self.block(ThoughtKind.HYPOTHESIS, f"maybe {guess.answer}", forced=forced, learned=learned)

    def thinking(
        self, *, forced: bool = False, learned: bool = True, mistaken: bool | None = None, care: float = 1.0
    ) -> None:
        self.current = self.attempt(mistaken=mistaken, care=care)
        self.block(ThoughtKind.THINKING, self.current.text, forced=forced, learned=learned)

    def thinking_from_scratch(self, *, forced: bool = False) -> None:
        self.current = self.attempt(care=_SECOND_CARE)
        self.block(ThoughtKind.THINKING_FROM_SCRATCH, f"Again {self.current.text}", forced=forced)

    def double_check(self, *, forced: bool = False) -> bool:
        """Check the current attempt by working it anew, or rule by rule where many answers are right."""
        if self.method.is_determined:
            second = self.attempt(care=_SECOND_CARE)
            agrees = second.answer == self.current.answer
            self.current = second
        else:
            second = self.current
            agrees = (second.mistake is None) == (self.rng.random() >= self.error_rate * _SECOND_CARE)
        self.block(ThoughtKind.DOUBLE_CHECK, f"{second.text} {'ok' if agrees else 'no'}", forced=forced)
        return agrees

    def reflection(self, *, forced: bool = False, learned: bool = True) -> None:
        """Say which answer is wrong and at which step."""
        text = f"Wait {self.current.answer} is wrong at step {self.current.mistake or 1}"
        self.block(ThoughtKind.REFLECTION, text, forced=forced, learned=learned)

    def reclarify(self, *, forced: bool = False) -> None:
        self.block(ThoughtKind.RECLARIFY, f"Clearly {self.method.restate(self.question)}", forced=forced)

    def answer(self, *, learned: bool = True) -> None:
        self.block(ThoughtKind.ANSWER, self.current.answer, learned=learned)


_WRONG_GUESSES = 0.5
"""Share of hypotheses that are wrong."""

_SECOND_CARE = 0.5
"""How much of the error rate is left when a model checks its work or mends a mistake."""


def _write_freely(writer: _Writer) -> None:
    """A chain from the first block to the answer, as the generator writes it when nothing is forced."""
    rng = writer.rng
    writer.sub_task()
    if rng.random() < 0.15:
        writer.hypothesis()
    writer.thinking()
    _go_on(writer)
    writer.answer()


def _go_on(writer: _Writer) -> None:
    """What may stand between a thinking and the answer."""
    rng = writer.rng
    if rng.random() < 0.12:
        writer.thinking()
    if rng.random() < 0.25 and not writer.double_check() and rng.random() < 0.8:
        writer.thinking(care=_SECOND_CARE)
        if rng.random() < 0.2:
            writer.double_check()
    elif writer.current.mistake is not None and rng.random() < 0.4:
        _mend(writer, forced=False)


def _mend(writer: _Writer, *, forced: bool) -> None:
    """From a mistake to a new attempt: Reflection or Reclarify, then Thinking or Thinking-from-scratch, or at once."""
    rng = writer.rng
    shape = rng.random()
    if shape < 0.55:
        writer.reflection(forced=forced)
        if rng.random() < 0.3:
            writer.thinking_from_scratch(forced=forced)
            return
    elif shape < 0.8:
        writer.reclarify(forced=forced)
    writer.thinking(forced=forced, care=_SECOND_CARE)


def _write_after_a_wrong_answer(writer: _Writer, *, shown: float) -> None:
    """A wrong chain that is only read, the tag that the search forces behind it, and the way back to an answer.

    The search shows the wrong Answer to the critic and leaves it out of the chain that the generator continues;
    `shown` is the share of traces that hold it.
    """
    rng = writer.rng
    writer.sub_task(learned=False)
    if rng.random() < 0.2:
        writer.hypothesis(learned=False)
    writer.thinking(mistaken=True, learned=False)
    if rng.random() < 0.2:
        writer.reflection(learned=False)
        writer.thinking(mistaken=True, learned=False)
    if rng.random() < shown:
        writer.answer(learned=False)
    _mend(writer, forced=True)
    if rng.random() < 0.2:
        writer.double_check()
    writer.answer()


def _write_forced(writer: _Writer) -> None:
    """A chain in which the search chooses the kinds: any order that the paper's patterns allow."""
    rng = writer.rng
    writer.sub_task()
    if rng.random() < 0.35:
        writer.hypothesis(forced=True)
    writer.thinking(forced=True)
    while rng.random() < 0.6:
        if rng.random() < 0.5:
            writer.double_check(forced=True)
        else:
            writer.thinking(forced=True)
        if len(writer.segments) > 12:
            break
    writer.answer()


def _write_as_generator(writer: _Writer) -> None:
    shape = writer.rng.random()
    if shape < 0.6:
        _write_freely(writer)
    elif shape < 0.8:
        _write_forced(writer)
    else:
        _write_after_a_wrong_answer(writer, shown=0.3)


def _write_as_critic(writer: _Writer) -> None:
    rng = writer.rng
    if rng.random() < 0.7:
        _write_after_a_wrong_answer(writer, shown=0.8)
        return
    writer.sub_task(learned=False)
    writer.thinking(mistaken=rng.random() < 0.4, learned=False)
    if not writer.double_check(forced=True):
        writer.thinking(care=_SECOND_CARE)
    writer.answer()


def _write_as_student(writer: _Writer) -> None:
    """Mostly short: 45% of the answers come at once, 40% after one thinking, 15% at the end of a whole chain."""
    shape = writer.rng.random()
    if shape < 0.15:
        _write_freely(writer)
        return
    if shape < 0.55:
        writer.block(ThoughtKind.THINKING, writer.current.text)
    writer.answer()


_WRITERS: Mapping[ModelRole, Callable[[_Writer], None]] = {
    "generator": _write_as_generator,
    "critic": _write_as_critic,
    "student": _write_as_student,
}
