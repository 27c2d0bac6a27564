"""What is right, what is wrong, what is no answer; hostile text gets a verdict too."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.tasks import TASKS, Reference
from marco_dag.tasks.blocksworld import blocks_in_the_way, stack_above
from marco_dag.thoughts import TAGS

TOWER: Reference = {"start": {"A": "T", "B": "A", "C": "B", "D": "T"}, "goal": {"A": "D"}}
RULES: Reference = {"count": 2, "case": "upper", "first": "b", "last": "t", "without": "i", "order": "alphabetical"}
IFEVAL: Reference = {
    "instruction_id_list": ["change_case:capital_word_frequency", "keywords:forbidden_words", "punctuation:no_comma"],
    "kwargs": [{"capital_frequency": 1, "capital_relation": "less than"}, {"forbidden_words": ["bat"]}, {}],
}
REFERENCES: dict[str, Reference] = {
    "letters": {"word": "balloon", "letter": "l"},
    "arithmetic": {"answer": 85},
    "blocksworld": TOWER,
    "instructions": RULES,
    "ifeval": IFEVAL,
}
ASK_FOR_A_BLOCK = ("letters", "arithmetic", "blocksworld", "instructions")
"""Tasks to which free text without an Answer block is no answer."""

ODDITIES = ("85", "A/D", "BAT", "\x00", "\u202e", "\ud800")
LONG_UNITS = ("<answer>", "</answer>", "<answer><thinking>", "9", "A/", "C/T C/D ", "BAT ", "\x00", " ")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("letters", "2"),
        ("letters", " 2. "),
        ("letters", "The answer is: 2"),
        ("arithmetic", "85"),
        ("arithmetic", "+085"),
        ("blocksworld", "C/T B/T A/D"),
        ("blocksworld", "C/D B/T C/B A/D"),
        ("blocksworld", "C/T\nC/D C/T B/T\tA/D"),
        ("instructions", "BAT BET"),
        ("instructions", "the answer is BRAT\nBUST"),
        ("ifeval", "The weather is nice today and the children are playing."),
    ],
)
def test_a_right_answer_is_right_however_it_is_reached(name: str, answer: str) -> None:
    assert _outcome(name, f"<thinking>9</thinking><answer>{answer}</answer>") == "correct"


@pytest.mark.parametrize(
    ("name", "answer", "reason"),
    [
        ("letters", "3", "expected 2, found '3'"),
        ("letters", "two", "'two', which is no integer"),
        ("letters", "", "'', which is no integer"),
        ("arithmetic", "-85", "expected 85"),
        ("arithmetic", "85 86", "no integer"),
        ("arithmetic", "٨٥", "no integer"),
        ("arithmetic", "9" * 5000, "no integer"),
        ("blocksworld", "", "the plan ends without A/D"),
        ("blocksworld", "B/T", "move 1 'B/T': B is not clear"),
        ("blocksworld", "C/B", "the plan ends without A/D"),
        ("blocksworld", "C/A", "move 1 'C/A': A is not clear"),
        ("blocksworld", "X/T", "there is no block 'X'"),
        ("blocksworld", "C/X", "there is no block 'X'"),
        ("blocksworld", "T/A", "there is no block 'T'"),
        ("blocksworld", "C/C", "a block cannot stand on itself"),
        ("blocksworld", "put C down", "'put' is not written block/support"),
        ("instructions", "", "no word"),
        ("instructions", "BAT", "count: expected 2 words, found 1"),
        ("instructions", "BAT BET BIT", "count: expected 2 words, found 3"),
        ("instructions", "BAT Bet", "case: 'Bet' is not uppercase"),
        ("instructions", "CAT BET", "first: 'CAT' does not start with b"),
        ("instructions", "BAT BED", "last: 'BED' does not end with t"),
        ("instructions", "BAT BIT", "without: 'BIT' holds i"),
        ("instructions", "BET BAT", "order: 'bat' stands after 'bet'"),
        ("instructions", "BAT BAT", "order: 'bat' is repeated"),
        ("instructions", "BAT, BET", "'BAT,' is no word of letters"),
        ("ifeval", "BAT", "capital_word_frequency: expected less than 1 words in capitals, found 1"),
        ("ifeval", "the children saw a bat and a cat", "keywords:forbidden_words: 'bat' is forbidden and was found"),
        ("ifeval", "the children saw a cow, a cat and a dog", "punctuation:no_comma: expected no comma, found 1"),
    ],
)
def test_a_wrong_answer_is_wrong_for_a_stated_reason(name: str, answer: str, reason: str) -> None:
    verdict = TASKS[name].verify(f"<answer>{answer}</answer>", REFERENCES[name])
    assert verdict.outcome == "wrong"
    assert reason in verdict.reason
    assert verdict.answer == answer


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("response", ["", "<answer>85", "85</answer>", "<answer><thinking>85</thinking></answer>"])
def test_a_chain_without_a_closed_answer_block_is_no_answer(name: str, response: str) -> None:
    verdict = TASKS[name].verify(response, REFERENCES[name])
    assert (verdict.outcome, verdict.answer) == ("no_answer", None)


@pytest.mark.parametrize("name", ASK_FOR_A_BLOCK)
@pytest.mark.parametrize("response", ["85", " BAT BET"])
def test_free_text_is_no_answer_where_a_block_is_asked_for(name: str, response: str) -> None:
    verdict = TASKS[name].verify(response, REFERENCES[name])
    assert (verdict.outcome, verdict.answer) == ("no_answer", None)


def test_the_last_answer_counts() -> None:
    assert _outcome("arithmetic", "<answer>84</answer><answer>85</answer>") == "correct"
    assert _outcome("arithmetic", "<answer>85</answer><answer>84</answer>") == "wrong"


@pytest.mark.parametrize("name", TASKS)
@given(
    response=st.lists(st.sampled_from([*TAGS, "85", "A/D", "BAT", "\x00", "\u202e", "\ud800"]) | st.text()).map("".join)
)
def test_any_text_gets_a_verdict(name: str, response: str) -> None:
    verdict = TASKS[name].verify(response, REFERENCES[name])
    assert verdict.outcome in ("correct", "wrong", "no_answer")
    assert (verdict.answer is None) == (verdict.outcome == "no_answer")
    assert verdict.reason.isprintable()


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize(
    "unit", ["<answer>", "</answer>", "<answer><thinking>", "9", "A/", "C/T C/D ", "BAT ", "\x00", " "]
)
@pytest.mark.parametrize("wrap", ["{}", "<answer>{}", "<answer>{}</answer>", "{}</answer>"])
def test_200_000_characters_cost_at_most_seconds(name: str, unit: str, wrap: str) -> None:
    response = wrap.format(unit * (200_000 // len(unit)))
    start = time.process_time()
    verdict = TASKS[name].verify(response, REFERENCES[name])
    assert time.process_time() - start < 2
    assert len(verdict.reason) < 400


def test_the_simulator_agrees_with_a_search_over_real_stacks() -> None:
    """Every plan of up to two moves, checked again by piles that are lists: only a top can move, only onto a top."""

    def run(plan: list[tuple[str, str]]) -> list[list[str]] | None:
        piles = [["A", "B"], ["C"]]
        for block, support in plan:
            source = next((pile for pile in piles if pile and pile[-1] == block), None)
            if source is None:
                return None
            source.pop()
            target: list[str] | None = []
            if support == "T":
                piles.append(target := [])
            else:
                target = next((pile for pile in piles if pile and pile[-1] == support), None)
            if target is None or block == support:
                return None
            target.append(block)
        return piles

    moves = [(block, support) for block in "ABC" for support in "ABCT"]
    reference: Reference = {"start": {"A": "T", "B": "A", "C": "T"}, "goal": {"B": "C"}}
    right = 0
    for plan in [[one] for one in moves] + [[one, other] for one in moves for other in moves]:
        piles = run(plan)
        expected = piles is not None and ["C", "B"] in [pile[:2] for pile in piles]
        answer = " ".join("/".join(move) for move in plan)
        assert (_outcome("blocksworld", f"<answer>{answer}</answer>", reference) == "correct") == expected
        right += expected
    assert right > 3


def test_what_is_in_the_way_is_cleared_from_the_top() -> None:
    state = {"A": "T", "B": "A", "C": "B", "D": "T", "E": "D"}
    assert stack_above(state, "A") == ["B", "C"]
    assert blocks_in_the_way(state, "A", "D") == ["C", "B", "E"]
    assert blocks_in_the_way(state, "A", "B") == ["C", "B"]
    assert blocks_in_the_way(state, "C", "E") == []


@pytest.mark.parametrize(
    ("name", "reference", "message"),
    [
        ("letters", {"letter": "l"}, "word: "),
        ("letters", {"word": "", "letter": "l"}, "word: "),
        ("letters", {"word": "ball", "letter": "ll"}, "letter: "),
        ("letters", {"word": 7, "letter": "l"}, "word: "),
        ("arithmetic", {}, "answer: "),
        ("arithmetic", {"answer": "85"}, "answer: "),
        ("arithmetic", {"answer": True}, "answer: "),
        ("blocksworld", {"goal": {"A": "B"}}, "start: "),
        ("blocksworld", {"start": {"A": "B", "B": "A"}, "goal": {"A": "T"}}, "start: block 'A' stands on itself"),
        ("blocksworld", {"start": {"A": "B", "B": "T"}, "goal": {"C": "T"}}, "goal: block 'C' stands nowhere"),
        ("blocksworld", {"start": {"A": "Z", "B": "T"}, "goal": {"A": "T"}}, "start: block 'Z' stands nowhere"),
        (
            "blocksworld",
            {"start": {"A": "C", "B": "C", "C": "T"}, "goal": {"A": "T"}},
            "start: two blocks stand on 'C'",
        ),
        (
            "blocksworld",
            {"start": {"A": "T", "B": "T"}, "goal": {"A": "B", "B": "A"}},
            "goal: block 'A' stands on itself",
        ),
        ("blocksworld", {"start": {"T": "A", "A": "T"}, "goal": {"A": "T"}}, "start: 'T' is the table"),
        ("blocksworld", {"start": {"A/B": "T"}, "goal": {"A/B": "T"}}, "start: a block's name"),
        ("blocksworld", {"start": {"A": "T"}, "goal": {}}, "goal: must map"),
        ("instructions", {}, "at least one rule"),
        ("instructions", {"colour": "red"}, "colour: unknown rule; known: count, case, first, last, without, order"),
        ("instructions", {"count": 0}, "count: "),
        ("instructions", {"case": "camel"}, "case: must be one of lower, upper, title"),
        ("instructions", {"case": ["lower"]}, "case: must be one of"),
        ("instructions", {"first": "bb"}, "first: "),
        ("instructions", {"order": None}, "order: must be one of alphabetical, reverse"),
    ],
)
def test_a_reference_that_cannot_be_verified_against_is_refused_by_field(
    name: str, reference: Reference, message: str
) -> None:
    with pytest.raises(ValueError, match=message.replace("'", ".")):
        TASKS[name].check_reference(reference)


def _outcome(name: str, response: str, reference: Reference | None = None) -> str:
    return TASKS[name].verify(response, reference or REFERENCES[name]).outcome
