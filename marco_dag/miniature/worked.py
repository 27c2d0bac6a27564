"""Worked solutions: what the embedded models learn to write, with or without a planted mistake.

One short text a task, made of small steps that copy from the prompt or from the steps before. Only generated questions
can be worked: the verifiers in `marco_dag.tasks` need no solution, and nothing here decides what is right.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from marco_dag.tasks import TASKS
from marco_dag.tasks.blocksworld import TABLE, Move, State, blocks_in_the_way, render_facts, render_stacks
from marco_dag.tasks.instructions import CONSONANTS
from marco_dag.tasks.protocol import Question
from marco_dag.thoughts import Thought, ThoughtKind

_MARKS: Mapping[tuple[bool, bool], str] = {
    (False, False): ".",
    (False, True): "-",
    (True, False): "!",
    (True, True): "+",
}
"""(belongs to the goal, is in the way) → mark."""

_VOWELS = "aeiou"
_ADDITION = re.compile(r"Compute (\d+)\+(\d+)")


@dataclass(frozen=True, slots=True)
class Worked:
    """One attempt at a question."""

    text: str
    """The steps, as a Thinking block holds them."""
    answer: str
    """What they come to."""
    mistake: int | None
    """The 1-based step with the planted mistake, which makes the answer wrong; None where the answer is right."""


@dataclass(frozen=True, slots=True)
class Method:
    """How the questions of one task are worked."""

    restate: Callable[[Question], str]
    """The question in other words, as a Sub-Task or Reclarify block holds it."""
    work: Callable[[Question, random.Random, bool], Worked]
    """An attempt; True plants a mistake."""
    is_determined: bool
    """Whether two right attempts always agree, so that a second one checks the first."""


def _restate_letters(question: Question) -> str:
    return f"count {question.reference['letter']} in {question.reference['word']}"


def _work_letters(question: Question, rng: random.Random, mistaken: bool) -> Worked:
    """`lb0la0ll1`: the letter sought, the letter found, the count so far; a mistake miscounts at one letter."""
    word, letter = str(question.reference["word"]), str(question.reference["letter"])
    mistake = rng.randrange(len(word)) + 1 if mistaken else None
    count, steps = 0, []
    for step, found in enumerate(word, start=1):
        count += (found == letter) != (step == mistake)
        steps.append(f"{letter}{found}{count}")
    return Worked("".join(steps), str(count), mistake)


def _restate_arithmetic(question: Question) -> str:
    return "add {} and {}".format(*_addends(question))


def _work_arithmetic(question: Question, rng: random.Random, mistaken: bool) -> Worked:
    """`7+8+0=15;4+3+1=08`: the columns from the right with their carry; a mistake is off by one or by a carry."""
    columns = [(int(one), int(other)) for one, other in zip(*(n[::-1] for n in _addends(question)), strict=True)]
    mistake = rng.randrange(len(columns)) + 1 if mistaken else None
    carry, digits, steps = 0, "", []
    for step, (one, other) in enumerate(columns, start=1):
        total = one + other + carry
        if step == mistake:
            neighbours = (total - 1, total + 1, total + 10 if total < 10 else total - 10)
            total = rng.choice([neighbour for neighbour in neighbours if 0 <= neighbour < 20])
        steps.append(f"{one}+{other}+{carry}={total:02d}")
        carry, digits = total // 10, f"{total % 10}{digits}"
    return Worked(";".join(steps), f"1{digits}" if carry else digits, mistake)


def _addends(question: Question) -> Sequence[str]:
    match = _ADDITION.fullmatch(question.prompt)
    assert match is not None, question.prompt
    return match.groups()


def _restate_blocksworld(question: Question) -> str:
    return f"reach {render_facts(_facts(question, 'goal'))}"


def _work_blocksworld(question: Question, rng: random.Random, mistaken: bool) -> Worked:
    """`A! D!C- E.;C/T D/A`: each block of the stacks with its mark, then the moves.

    `!` is one of the goal's blocks, `-` stands above one, `+` is both, `.` neither. What stands above goes to the
    table, the last mark first. A mistake leaves a move out or puts a block somewhere else.
    """
    state = _facts(question, "start")
    ((block, support),) = _facts(question, "goal").items()
    stacks, in_the_way = render_stacks(state), blocks_in_the_way(state, block, support)
    marks = {name: _MARKS[name in (block, support), name in in_the_way] for name in state}
    steps = "".join(name + marks.get(name, "") for name in stacks)
    plan = [*((name, TABLE) for name in reversed(stacks) if name in in_the_way), (block, support)]
    mistake = None
    if mistaken:
        mistake, plan = _spoil(question, plan, rng)
    answer = _render_plan(plan)
    return Worked(f"{steps};{answer}", answer, mistake)


def _spoil(question: Question, plan: Sequence[Move], rng: random.Random) -> tuple[int, list[Move]]:
    """A plan that fails for one move left out or one block put elsewhere, and the step where that happens."""
    blocks = _facts(question, "start")
    while True:
        step = rng.randrange(len(plan)) + 1
        block, support = plan[step - 1]
        other = rng.choice([*blocks, TABLE])
        change: list[Move] = [(block, other)] if other not in (block, support) else []
        spoilt = [*plan[: step - 1], *change, *plan[step:]]
        answer = Thought(ThoughtKind.ANSWER, _render_plan(spoilt)).render()
        if spoilt and TASKS["blocksworld"].verify(answer, question.reference).outcome == "wrong":
            return step, spoilt


def _render_plan(plan: Sequence[Move]) -> str:
    return " ".join("/".join(move) for move in plan)


def _facts(question: Question, field: str) -> State:
    value = question.reference[field]
    assert isinstance(value, dict)
    return {block: str(support) for block, support in value.items()}


def _restate_instructions(question: Question) -> str:
    rules = question.reference
    return "write {count} {case} {first} {last} {order}".format(**rules)


def _work_instructions(question: Question, rng: random.Random, mistaken: bool) -> Worked:
    """`1 BAT 2 BET`: numbered words with one vowel after the other; a mistake breaks one rule at one word."""
    rules = question.reference
    count, first, last = rules["count"], str(rules["first"]), str(rules["last"])
    assert isinstance(count, int)
    vowels = _VOWELS[::-1] if rules["order"] == "reverse" else _VOWELS
    begin = rng.randrange(len(vowels) - count + 1)
    words = [first + vowel + last for vowel in vowels[begin : begin + count]]
    mistake = rng.randrange(count) + 1 if mistaken else None
    cases = [str(rules["case"])] * len(words)
    if mistake is not None:
        at = mistake - 1
        match rng.choice(("first", "last", "order", "count", "case")):
            case "first":
                words[at] = rng.choice([c for c in CONSONANTS if c != first]) + words[at][1:]
            case "last":
                words[at] = words[at][:-1] + rng.choice([c for c in CONSONANTS if c != last])
            case "order":
                other = at - 1 if at else 1
                words[at], words[other] = words[other], words[at]
            case "count":
                del words[at]
            case _:
                cases[at] = rng.choice([case for case in _CASES if case != rules["case"]])
    words = [_CASES[case](word) for case, word in zip(cases, words, strict=False)]
    return Worked(" ".join(f"{n} {word}" for n, word in enumerate(words, start=1)), " ".join(words), mistake)


_CASES: Mapping[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "title": str.title}

METHODS: Mapping[str, Method] = {
    "letters": Method(_restate_letters, _work_letters, is_determined=True),
    "arithmetic": Method(_restate_arithmetic, _work_arithmetic, is_determined=True),
    "blocksworld": Method(_restate_blocksworld, _work_blocksworld, is_determined=True),
    "instructions": Method(_restate_instructions, _work_instructions, is_determined=False),
}
"""How to work the questions of each task that the embedded models are taught, by its name."""
