"""The language of a chain: written, read back, and read without harm when it is not well formed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.thoughts import (
    TAGS,
    Thought,
    ThoughtKind,
    ends_inside_block,
    extract_answer,
    holds_tag,
    parse_chain,
    render_chain,
)

PLAIN = st.text(st.characters(codec="utf-8"), max_size=40).filter(lambda text: not holds_tag(text))
THOUGHTS = st.lists(st.builds(Thought, st.sampled_from(ThoughtKind), PLAIN), max_size=6)
HOSTILE = st.lists(st.sampled_from([*TAGS, "<", "</", "<answer", "thinking>", "x", "\n", "\0"]), max_size=20).map(
    "".join
)


def test_a_block_is_its_text_between_its_tags():
    chain = [Thought(ThoughtKind.SUB_TASK, "First."), Thought(ThoughtKind.ANSWER, "4")]
    assert render_chain(chain) == "<sub-task>First.</sub-task><answer>4</answer>"
    assert parse_chain("<sub-task>First.</sub-task><answer>4</answer>") == (chain, "")


def test_the_paper_s_kinds_and_upstream_s_are_all_there():
    assert len(ThoughtKind) == 8
    assert len(set(TAGS)) == 16


@given(THOUGHTS)
def test_what_is_written_is_read_back(thoughts):
    assert parse_chain(render_chain(thoughts)) == (thoughts, "")


@given(THOUGHTS, HOSTILE)
def test_reading_takes_the_well_formed_part_and_loses_nothing(thoughts, hostile):
    text = render_chain(thoughts) + hostile
    blocks, rest = parse_chain(text)
    assert blocks[: len(thoughts)] == thoughts
    assert render_chain(blocks) + rest == text
    assert not any(holds_tag(block.text) for block in blocks)
    assert rest == "" or parse_chain(rest) == ([], rest)


@pytest.mark.parametrize(
    "text",
    [
        "<thinking>open",
        "<thinking>a</double-check>",  # the closing tag of another kind
        "<thinking>a<answer>4</answer></thinking>",  # a block within a block
        "</thinking>",
        "words before<thinking>a</thinking>",
        "<Thinking>a</Thinking>",
        "<thinking >a</thinking>",
    ],
)
def test_what_is_not_well_formed_is_left_over(text):
    assert parse_chain(text) == ([], text)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<thinking>a</thinking><answer> 4 </answer>", "4"),
        ("<answer>3</answer><reflection>no</reflection><answer>4</answer>", "4"),
        ("<answer>a\nb</answer>", "a\nb"),
        ("<answer></answer>", ""),
        ("<answer>3</answer><answer>4", "3"),  # the last one was cut: the closed one counts
        ("<answer>4<thinking>x</answer>", None),  # a block within the answer
        ("<answer><answer>4</answer>", "4"),
        ("the answer is 4", None),
        ("<answer>4", None),
        ("4</answer>", None),
        ("", None),
    ],
)
def test_the_answer_is_the_last_closed_block(text, answer):
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("<thinking>a</thinking><answer>4", True),
        ("<thinking>", True),
        ("<thinking>a</thinking><answer>4</answer>", False),
        ("<thinking>a</thinking> and then", False),
        ("no tags", False),
        ("", False),
    ],
)
def test_a_chain_that_ends_inside_a_block_was_cut(text, cut):
    assert ends_inside_block(text) is cut


@given(HOSTILE)
def test_no_answer_holds_a_tag(text):
    answer = extract_answer(text)
    assert answer is None or not holds_tag(answer)


@pytest.mark.parametrize(
    "text", ["<answer>" * 100_000, "<" * 1_000_000, "<thinking>" + "x" * 1_000_000, "</answer>" * 100_000]
)
@pytest.mark.timeout(10)
def test_a_million_characters_are_read_in_no_time(text):
    assert parse_chain(text) == ([], text)
    assert extract_answer(text) is None
