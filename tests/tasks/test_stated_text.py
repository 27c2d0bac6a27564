"""What a response states: the last Answer block of a chain, or all of a free text."""

import pytest

from marco_dag.tasks.answers import stated_text


@pytest.mark.parametrize(
    ("response", "stated"),
    [
        ("It is 5.", "It is 5."),
        (" \n It is 5. ", "It is 5."),
        ("<answer>5</answer>", "5"),
        ("<thinking>4</thinking><answer>The answer is: 5</answer>", "5"),
        ("<answer>4</answer><reflection>no</reflection><answer>5</answer>", "5"),
        ("<answer> </answer>", ""),
        ("<think>4</think> It is 5.", "<think>4</think> It is 5."),
    ],
)
def test_a_chain_states_its_last_answer_block_and_free_text_all_of_itself(response: str, stated: str) -> None:
    assert stated_text(response) == stated


@pytest.mark.parametrize("response", ["", " \n ", "<answer>5", "5</answer>", "<thinking>It is 5.</thinking>"])
def test_nothing_is_stated_by_nothing_and_by_a_chain_without_a_closed_answer_block(response: str) -> None:
    assert stated_text(response) is None
