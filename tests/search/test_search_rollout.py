from collections.abc import Callable

import pytest

from marco_dag.engines.protocol import Request
from marco_dag.search import Forest

Grow = Callable[..., Forest]


def tag_of(request: Request) -> str:
    """The kind that a request asks for."""
    return request.stop[0].removeprefix("</").removesuffix(">")


def step(request: Request, sample: int) -> str:
    """A thought unlike any other of its tree."""
    return f"{tag_of(request)} {request.seed} {sample}{request.stop[0]}"


def answering(*answers: str) -> Callable[[Request, int], str]:
    """A generator whose n-th Answer sample is `answers[n]`, over and over."""
    return lambda request, sample: (
        answers[sample % len(answers)] + "</answer>" if tag_of(request) == "answer" else step(request, sample)
    )


def answer_after(words: str, right: str = "3", wrong: str = "2") -> Callable[[Request, int], str]:
    """A generator that is right where `words` stand in the chain, and wrong elsewhere."""
    return lambda request, sample: (
        (right if words in request.prefix else wrong) + "</answer>"
        if tag_of(request) == "answer"
        else step(request, sample)
    )


ONE_WALK = {"children": 1, "rollouts": 1, "max_repeats": 1}
"""Settings under which a tree is a single line: sub-task, thinking, answer."""


def test_a_right_answer_ends_the_rollout_and_no_reflection_follows(grow: Grow) -> None:
    forest = grow(answering("3"), patterns=("a",), **ONE_WALK)
    assert forest.thoughts["kind"].to_list() == ["sub-task", "thinking", "answer"]
    assert forest.thoughts["reward"].to_list() == [None, None, 1.0]
    assert forest.thoughts["visits"].to_list() == [1, 1, 1]
    assert forest.trees.select("rollouts", "correct", "wrong", "stop_reason").row(0) == (1, 1, 0, "exhausted")


def test_a_wrong_answer_is_reflected_on_beside_it_in_the_same_rollout(grow: Grow) -> None:
    prompts: list[str] = []

    def critic(request: Request, sample: int) -> str:
        prompts.append(request.prefix)
        return "2 is too few</reflection>"

    forest = grow(answer_after("too few"), critic, patterns=("a",), **ONE_WALK)
    subtask, thinking, wrong, reflection, again, right = forest.thoughts.to_dicts()
    assert [row["kind"] for row in (wrong, reflection, again, right)] == ["answer", "reflection", "thinking", "answer"]
    assert (wrong["reward"], right["reward"]) == (0.0, 1.0)
    assert reflection["parent_id"] == wrong["parent_id"] == thinking["node_id"]
    assert (reflection["role"], reflection["model_digest"], reflection["depth"]) == ("critic", "the-critic", 3)
    (prompt,) = prompts
    assert prompt.endswith("</thinking><answer>2</answer><reflection>")
    assert [row["visits"] for row in (subtask, thinking, wrong, reflection, right)] == [2, 2, 1, 1, 1]
    assert [row["value"] for row in (subtask, thinking, wrong, reflection, right)] == [1, 1, 0, 1, 1]
    assert forest.trees.select("rollouts", "correct", "wrong").row(0) == (1, 1, 1)


def test_the_generator_goes_on_from_a_reflection_without_the_wrong_answer(grow: Grow) -> None:
    prefixes: list[str] = []

    def generator(request: Request, sample: int) -> str:
        prefixes.append(request.prefix)
        return answering("2")(request, sample)

    grow(generator, step, patterns=("a",), **ONE_WALK)
    assert any("<reflection>" in prefix for prefix in prefixes)
    assert not any("</answer>" in prefix for prefix in prefixes)


@pytest.mark.parametrize(("pattern", "forced"), [("a", "reflection"), ("d", "reclarify")])
def test_each_pattern_forces_its_own_thought(grow: Grow, pattern: str, forced: str) -> None:
    forest = grow(answering("2"), step, patterns=(pattern,), children=1, rollouts=4, max_reflections=1)
    rows = forest.thoughts.to_dicts()
    with_wrong_child = {row["parent_id"] for row in rows if row["reward"] == 0.0}
    by_critic = [row for row in rows if row["role"] == "critic"]
    assert by_critic
    assert {row["kind"] for row in by_critic} == {forced}
    assert {row["parent_id"] for row in by_critic} <= with_wrong_child


def test_pattern_b_thinks_on_after_a_wrong_answer_in_the_generators_words(grow: Grow) -> None:
    forest = grow(answering("2"), step, patterns=("b",), **ONE_WALK)
    forced = forest.thoughts.filter("forced")
    assert set(forced["kind"]) == {"thinking"}
    assert set(forced["role"]) == {"generator"}


def test_pattern_c_double_checks_before_it_answers_and_never_after(grow: Grow) -> None:
    forest = grow(answering("2"), step, patterns=("c",), rollouts=8)
    kinds = dict(forest.thoughts.select("node_id", "kind").iter_rows())
    answers = forest.thoughts.filter(is_answer=True)
    assert {kinds[parent] for parent in answers["parent_id"]} == {"double-check"}
    assert set(forest.thoughts.filter(role="critic")["kind"]) == {"double-check"}


@pytest.mark.parametrize("most", [0, 1, 3])
def test_a_chain_has_no_more_forced_thoughts_than_allowed(grow: Grow, most: int) -> None:
    settings = {**ONE_WALK, "max_reflections": most, "max_depth": 20}
    forest = grow(answering("2"), step, patterns=("a",), **settings)
    assert forest.thoughts.filter(kind="reflection").height == most
    assert forest.trees["wrong"].item() == most + 1


def test_repeats_count_anew_after_a_forced_thought(grow: Grow) -> None:
    forest = grow(answer_after("reflection"), step, patterns=("a",), **ONE_WALK)
    assert forest.thoughts["kind"].to_list().count("thinking") == 2
    assert forest.trees["correct"].item() == 1


def test_a_forced_thought_needs_room_before_the_depth_limit(grow: Grow) -> None:
    # prompt, sub-task, thinking, then reflection, thinking, answer: five thoughts
    deep = grow(answering("2"), step, patterns=("a",), **ONE_WALK, max_depth=5)
    shallow = grow(answering("2"), step, patterns=("a",), **ONE_WALK, max_depth=4)
    assert deep.thoughts["depth"].max() == 5
    assert "reflection" not in shallow.thoughts["kind"].to_list()


def test_a_defective_reflection_ends_the_rollout_and_is_visited_once(grow: Grow) -> None:
    forest = grow(answering("2"), lambda _request, _sample: "it never closes", patterns=("a",), **ONE_WALK)
    last = forest.thoughts.row(-1, named=True)
    assert (last["kind"], last["defect"]) == ("reflection", "malformed: ended without its closing tag")
    assert (last["visits"], last["value"], last["reward"]) == (1, 0.0, None)
    assert forest.trees["stop_reason"].item() == "exhausted"


def test_a_critic_that_repeats_a_sibling_leads_the_walk_there(grow: Grow) -> None:
    def generator(request: Request, sample: int) -> str:
        return {"thinking": "the same</thinking>", "answer": "2</answer>"}.get(tag_of(request)) or step(request, sample)

    forest = grow(generator, generator, patterns=("b",), children=1, rollouts=20, max_repeats=3)
    siblings = forest.thoughts.group_by("parent_id", "kind", "text").len()
    assert siblings["len"].max() == 1
    assert set(forest.thoughts["parent_id"]) <= {None, *forest.thoughts["node_id"]}


def test_all_answer_siblings_are_checked_at_once(grow: Grow) -> None:
    forest = grow(answering("3", "2", "1"), patterns=("a",), children=3, rollouts=1, max_repeats=1, max_reflections=0)
    answers = forest.thoughts.filter(is_answer=True)
    assert answers["reward"].to_list() == [1.0, 0.0, 0.0]
    assert forest.trees.select("correct", "wrong").row(0) == (1, 2)
    parent = forest.thoughts.filter(node_id=answers["parent_id"][0])
    assert parent.select("visits", "value").row(0) == (3, 1.0)


def test_an_answer_the_verifier_cannot_read_is_wrong_and_says_why(grow: Grow) -> None:
    forest = grow(answering("none of your business"), step, patterns=("a",), **ONE_WALK, max_reflections=0)
    answer = forest.thoughts.row(-1, named=True)
    assert (answer["reward"], forest.trees["wrong"].item()) == (0.0, 1)
    assert "none of your business" in str(answer["verdict"])


def test_success_counts_distinct_paths_and_never_revisits(grow: Grow) -> None:
    def write(request: Request, sample: int) -> str:
        return ("3" if tag_of(request) == "answer" else "same") + request.stop[0]

    same = grow(write, rollouts=50)
    (row,) = same.trees.to_dicts()
    paths = same.thoughts.filter(reward=1.0)
    assert row["correct"] == paths.height == paths.n_unique(["parent_id", "text"])
    assert row["stop_reason"] == "exhausted"


def test_enough_correct_answers_and_a_wrong_one_stop_a_tree(grow: Grow) -> None:
    forest = grow(answering("3", "2"), step, patterns=("a",), correct_enough=2, correct_most=50)
    row = forest.trees.row(0, named=True)
    assert row["stop_reason"] == "correct_enough"
    assert row["correct"] >= 2
    assert row["wrong"] >= 1


def test_without_a_wrong_answer_a_tree_goes_on_to_the_most(grow: Grow) -> None:
    forest = grow(answering("3"), patterns=("a",), correct_enough=2, correct_most=5)
    row = forest.trees.row(0, named=True)
    assert (row["stop_reason"], row["wrong"]) == ("correct_most", 0)
    assert 5 <= row["correct"] <= 6  # two siblings a request


def test_a_tree_stops_after_its_rollouts(grow: Grow) -> None:
    row = grow(answering("2"), step, patterns=("a",), rollouts=3, max_reflections=0).trees.row(0, named=True)
    assert (row["rollouts"], row["stop_reason"]) == (3, "rollouts")


def test_a_tree_stops_at_its_tokens_within_a_rollout(grow: Grow) -> None:
    row = grow(answering("2"), step, patterns=("a",), children=1, max_tree_tokens=1).trees.row(0, named=True)
    assert (row["rollouts"], row["nodes"], row["stop_reason"]) == (1, 1, "max_tree_tokens")


def test_a_forced_thought_counts_towards_the_tokens_at_once(grow: Grow) -> None:
    def write(request: Request, sample: int) -> str:
        return "2" + request.stop[0]

    cost = sum(len(f"2</{kind}>") for kind in ("sub-task", "thinking", "answer", "reflection"))
    forest = grow(write, patterns=("a",), **ONE_WALK, max_tree_tokens=cost)
    assert forest.thoughts["kind"].to_list()[-1] == "reflection"
    assert forest.trees.select("tokens", "stop_reason").row(0) == (cost, "max_tree_tokens")


def test_discarded_duplicates_cost_their_tokens(grow: Grow) -> None:
    forest = grow(lambda request, _sample: "x" + request.stop[0], patterns=("a",), children=4, max_tree_tokens=1)
    assert forest.thoughts.height == 1
    assert forest.trees["tokens"].item() == 4 * len("x</sub-task>")


def test_when_every_sample_has_a_defect_the_tree_is_exhausted(grow: Grow) -> None:
    forest = grow(lambda _request, sample: f"no end {sample}")
    assert forest.thoughts["defect"].to_list() == ["malformed: ended without its closing tag"] * 2
    assert forest.thoughts["visits"].to_list() == [1, 1]
    assert forest.trees.select("rollouts", "correct", "wrong", "stop_reason").row(0) == (1, 0, 0, "exhausted")
