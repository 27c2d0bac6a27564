import random
import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from marco_dag.errors import ProfileError
from marco_dag.search import PATTERNS, Pattern, PatternConfig, SearchConfig, resolve_patterns
from marco_dag.thoughts import ThoughtKind

S, T, H, A = ThoughtKind.SUB_TASK, ThoughtKind.THINKING, ThoughtKind.HYPOTHESIS, ThoughtKind.ANSWER
D, R, C = ThoughtKind.DOUBLE_CHECK, ThoughtKind.REFLECTION, ThoughtKind.RECLARIFY


@pytest.mark.parametrize(
    ("name", "chain"),
    [
        ("a", [S, T, T, A]),
        ("b", [S, H, T, A]),
        ("b", [S, T, T, A]),
        ("c", [S, T, D, T, T, D, A]),
        ("d", [S, H, T, T, A]),
        ("d", [S, T, A]),
    ],
)
def test_the_papers_chains_are_allowed(name: str, chain: list[ThoughtKind]) -> None:
    pattern = PATTERNS[name]
    assert chain[0] in pattern.first
    for done in range(1, len(chain)):
        assert chain[done] in pattern.next_kinds(chain[:done], room=10, max_repeats=3)


@pytest.mark.parametrize(("name", "chain"), [("a", [S, H]), ("a", [S, A]), ("c", [S, T, A]), ("d", [T]), ("b", [S, D])])
def test_what_the_paper_does_not_show_is_not_allowed(name: str, chain: list[ThoughtKind]) -> None:
    assert chain[-1] not in PATTERNS[name].next_kinds(chain[:-1], room=10, max_repeats=3)


@pytest.mark.parametrize(("name", "forced", "then"), [("a", R, (T,)), ("b", T, (T, A)), ("d", C, (T,))])
def test_a_wrong_answer_forces_the_papers_thought(
    name: str, forced: ThoughtKind, then: tuple[ThoughtKind, ...]
) -> None:
    pattern = PATTERNS[name]
    assert pattern.on_wrong is forced
    assert pattern.next_kinds([forced], room=10, max_repeats=3) == then


def test_pattern_c_has_no_check_after_its_answer_and_forces_nothing() -> None:
    assert PATTERNS["c"].on_wrong is None
    assert not PATTERNS["c"].may_force(room=100)


def test_thinking_from_scratch_follows_a_reflection_only() -> None:
    scratch = ThoughtKind.THINKING_FROM_SCRATCH
    before = {kind for kind, followers in PATTERNS["upstream"].transitions.items() if scratch in followers}
    assert before == {R}


def test_at_the_last_but_one_level_only_an_answer_may_follow() -> None:
    assert PATTERNS["a"].next_kinds([S, T], room=2, max_repeats=3) == (T, A)
    assert PATTERNS["a"].next_kinds([S, T], room=1, max_repeats=3) == (A,)
    assert PATTERNS["c"].next_kinds([S, T], room=3, max_repeats=3) == (T, D)
    assert PATTERNS["c"].next_kinds([S, T], room=2, max_repeats=3) == (D,)


def test_a_kind_repeats_up_to_its_limit_in_all() -> None:
    assert PATTERNS["a"].next_kinds([S, T, T], room=9, max_repeats=3) == (T, A)
    assert PATTERNS["a"].next_kinds([S, T, T, T], room=9, max_repeats=3) == (A,)
    assert PATTERNS["c"].next_kinds([S, T, D, T, D], room=9, max_repeats=2) == (A,)


def test_no_kind_is_offered_that_a_used_up_one_cuts_off_from_the_answer() -> None:
    pattern = Pattern("loop", (T,), {T: (D, A), D: (T,)}, None)
    assert pattern.next_kinds([T], room=9, max_repeats=1) == (A,)
    assert pattern.next_kinds([T], room=9, max_repeats=2) == (D, A)
    assert pattern.next_kinds([T, D, T], room=9, max_repeats=2) == (A,)


def test_a_forced_thought_needs_room_for_the_way_to_an_answer() -> None:
    assert PATTERNS["a"].may_force(room=3)  # reflection, thinking, answer
    assert not PATTERNS["a"].may_force(room=2)


@settings(deadline=None, derandomize=True)
@given(
    edges=st.dictionaries(st.sampled_from(list(ThoughtKind)), st.sets(st.sampled_from(list(ThoughtKind))), min_size=2),
    max_depth=st.integers(2, 9),
    max_repeats=st.integers(1, 3),
    seed=st.integers(0, 999),
)
def test_a_walk_through_any_pattern_ends_in_an_answer_within_the_limits(
    edges: dict[ThoughtKind, set[ThoughtKind]], max_depth: int, max_repeats: int, seed: int
) -> None:
    transitions = {kind: tuple(sorted(followers)) for kind, followers in edges.items() if kind is not A}
    pattern = Pattern("any", tuple(ThoughtKind), transitions, None)
    rng = random.Random(seed)
    chain: list[ThoughtKind] = []
    while not chain or chain[-1] is not A:
        chain.append(rng.choice(pattern.next_kinds(chain, max_depth - len(chain), max_repeats)))
    assert len(chain) <= max_depth
    assert all(chain.count(kind) <= max_repeats for kind in chain)
    assert all(after in transitions[before] for before, after in pairwise(chain))


def test_patterns_resolve_in_the_profiles_order() -> None:
    own = PatternConfig(name="own", first=(T,), transitions={T: (A,)}, on_wrong=T)
    assert [pattern.name for pattern in resolve_patterns(SearchConfig(patterns=("d", own, "a")))] == ["d", "own", "a"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"first": ()}, "pattern 'own': first: empty"),
        ({"first": ("hypothesis",)}, "pattern 'own': transitions.hypothesis: missing or empty, but first leads to"),
        ({"first": ("thinking", "thinking")}, "pattern 'own': first: names a kind twice"),
        ({"transitions": {"thinking": ("thinking",)}}, "pattern 'own': first: no answer can be reached from thinking"),
        ({"transitions": {"thinking": ("answer",), "answer": ("thinking",)}}, "transitions.answer: an answer ends"),
        ({"transitions": {"thinking": ("answer", "reflection")}}, "transitions.thinking: a reflection may only follow"),
        ({"transitions": {"thinking": ("answer", "sub-task")}}, "transitions.sub-task: missing or empty, but"),
        ({"on_wrong": "answer"}, "pattern 'own': on_wrong: a wrong answer cannot"),
        ({"on_wrong": "reflection"}, "transitions.reflection: missing or empty, but on_wrong leads to"),
        ({"name": "a"}, "pattern 'a': name: already taken"),
    ],
)
def test_an_impossible_pattern_is_refused_by_name_and_field(changes: dict[str, object], message: str) -> None:
    sound = {"name": "own", "first": ("thinking",), "transitions": {"thinking": ("answer",)}, "on_wrong": "thinking"}
    assert resolve_patterns(SearchConfig.model_validate({"patterns": (sound,)}))
    with pytest.raises(ProfileError, match=re.escape(message)):
        resolve_patterns(SearchConfig.model_validate({"patterns": ({**sound, **changes},)}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patterns": ()}, "search.patterns: empty; name at least one of a, b, c, d"),
        ({"patterns": ("a", "z")}, "no pattern 'z'; known: a, b, c, d, upstream"),
        ({"patterns": ("a", "c"), "max_depth": 3}, "search.max_depth: 3 is too small for pattern 'c'"),
    ],
)
def test_an_impossible_choice_of_patterns_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ProfileError, match=re.escape(message)):
        resolve_patterns(SearchConfig.model_validate(settings))


def test_the_examples_of_the_guide_are_sound() -> None:
    guide = (Path(__file__).parents[2] / "docs/extending/patterns.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    assert examples
    for example in examples:
        assert resolve_patterns(SearchConfig.model_validate(yaml.safe_load(example)["search"]))
