"""Traces: well-formed chains of every kind, right at the rate that is asked for, never of a held-out prompt."""

import random
from itertools import pairwise

import pytest

from marco_dag.miniature.tokenizer import build_tokenizer
from marco_dag.miniature.traces import ModelRole, Trace, draw_trace
from marco_dag.tasks import is_held_out
from marco_dag.thoughts import ThoughtKind, parse_chain

ROLES: tuple[ModelRole, ...] = ("generator", "critic", "student")


def draw(role: ModelRole, count: int = 1500, error_rate: float = 0.15) -> list[Trace]:
    rng = random.Random(0)
    return [draw_trace(role, rng, error_rate=error_rate, held_out_share=0.25) for _ in range(count)]


@pytest.mark.parametrize("role", ROLES)
def test_a_trace_is_a_well_formed_chain_for_a_training_prompt_that_ends_in_an_answer(role: ModelRole) -> None:
    for trace in draw(role):
        thoughts, rest = parse_chain(trace.response)
        assert rest == ""
        assert thoughts[-1].kind is ThoughtKind.ANSWER
        assert not is_held_out(trace.prompt, 0.25)


def test_the_generator_learns_every_kind_and_the_student_mostly_short_chains() -> None:
    assert {t.kind for trace in draw("generator") for t in parse_chain(trace.response)[0]} == set(ThoughtKind)
    short = {(ThoughtKind.ANSWER,): 0, (ThoughtKind.THINKING, ThoughtKind.ANSWER): 0}
    student = draw("student")
    for trace in student:
        kinds = tuple(thought.kind for thought in parse_chain(trace.response)[0])
        if kinds in short:
            short[kinds] += 1
    at_once, after_one_thinking = (count / len(student) for count in short.values())
    assert 0.40 < at_once < 0.50
    assert 0.35 < after_one_thinking < 0.45


@pytest.mark.parametrize("role", ["generator", "critic"])
def test_no_model_learns_to_go_on_after_an_answer(role: ModelRole) -> None:
    """Only the search puts a thought behind a wrong answer, so its opening tag is read, never learned."""
    for trace in draw(role):
        for before, after in pairwise(trace.segments):
            if before.text.endswith(ThoughtKind.ANSWER.closing_tag):
                assert not before.learned
                assert not after.learned


@pytest.mark.parametrize("role", ["generator", "critic"])
@pytest.mark.parametrize("shows_the_answer", [True, False])
def test_reflection_is_learned_with_the_wrong_answer_in_sight_and_without(
    role: ModelRole, shows_the_answer: bool
) -> None:
    found = 0
    for trace in draw(role):
        for before, tag, written in zip(trace.segments, trace.segments[1:], trace.segments[2:], strict=False):
            if tag.text == ThoughtKind.REFLECTION.opening_tag and written.learned:
                found += before.text.endswith(ThoughtKind.ANSWER.closing_tag) == shows_the_answer
    assert found > 20


def test_without_errors_every_learned_thinking_leads_to_a_right_answer() -> None:
    for trace in draw("student", 300, error_rate=0.0):
        assert "no" not in trace.response.split()
    reflections = [trace for trace in draw("generator", 600, error_rate=0.0) if "<reflection>" in trace.response]
    for trace in reflections:  # what is wrong there is only read
        learned = "".join(segment.text for segment in trace.segments if segment.learned)
        assert "<reflection>" not in learned


def test_chains_are_as_long_as_a_tiny_model_can_bear() -> None:
    tokenizer = build_tokenizer(1024)
    lengths = sorted(len(tokenizer(trace.response).input_ids) for trace in draw("generator"))
    assert 25 < lengths[len(lengths) // 2] < 100
    assert lengths[int(len(lengths) * 0.99)] < 190
