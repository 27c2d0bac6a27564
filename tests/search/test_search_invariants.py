import random
from collections.abc import Callable

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from marco_dag.engines.protocol import Request
from marco_dag.search import PATTERNS, Forest, SearchConfig
from marco_dag.thoughts import TAGS, Thought, ThoughtKind, parse_chain, render_chain

Grow = Callable[..., Forest]
PathsOf = Callable[[pl.DataFrame], list[list[dict[str, object]]]]

HOSTILE = ("", " ", "\x00\x1b", "\ud800", "no end", "<", "</", *TAGS, "<answer>3</answer>", "x" * 500)


def random_model(seed: int, hostility: float, accuracy: float, variety: int) -> Callable[[Request, int], str]:
    """A model that is right, wrong or hostile at random; the same request always gets the same text."""

    def write(request: Request, sample: int) -> str:
        rng = random.Random(f"{seed} {request.seed} {sample}")
        end = request.stop[0]
        if rng.random() < hostility:
            return rng.choice(HOSTILE) + rng.choice((end, end, ""))
        if end == "</answer>":
            return ("3" if rng.random() < accuracy else rng.choice("012x")) + end
        return f"step {rng.randrange(variety)}{end}"

    return write


models = st.builds(
    random_model,
    seed=st.integers(0, 10**6),
    hostility=st.sampled_from((0.05, 0.0, 0.1, 0.5)),
    accuracy=st.sampled_from((0.3, 0.1, 0.6, 0.0, 1.0)),
    variety=st.sampled_from((1000, 3, 1)),
)
limits = st.fixed_dictionaries(
    {
        "patterns": st.lists(st.sampled_from(sorted(PATTERNS)), min_size=1, max_size=2).map(tuple),
        "exploration": st.sampled_from((0.0, 1.4)),
        "children": st.sampled_from((2, 3, 1)),
        "rollouts": st.sampled_from((12, 30, 5, 1)),
        "correct_enough": st.sampled_from((4, 8, 1)),
        "correct_most": st.sampled_from((12, 4, 1)),
        "max_depth": st.sampled_from((9, 6, 5, 4)),
        "max_repeats": st.integers(1, 3),
        "max_reflections": st.sampled_from((2, 1, 3, 0)),
        "max_thought_tokens": st.sampled_from((400, 400, 400, 400, 30, 5)),
        "max_tree_tokens": st.sampled_from((None, None, None, None, 300, 1)),
    }
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(model=models, limit=limits, seed=st.integers(0, 99))
def test_whatever_the_model_writes(
    grow: Grow, paths_of: PathsOf, model: Callable[[Request, int], str], limit: dict[str, object], seed: int
) -> None:
    forest = grow(model, seed=seed, **limit)
    config = SearchConfig.model_validate(limit)
    tree = forest.trees.row(0, named=True)
    paths = paths_of(forest.thoughts)
    check_counts(forest.thoughts, tree)
    for path in paths:
        check_leaf(path)
        check_shape(path, tree["pattern"], forest.thoughts, config)
    check_distinct(paths, tree)
    check_stop(tree, config)


def check_counts(thoughts: pl.DataFrame, tree: dict[str, object]) -> None:
    """Back-propagation adds up: each node's visits and value are its children's sums, rewards stand on answers only."""
    rows = thoughts.to_dicts()
    assert len({row["node_id"] for row in rows}) == len(rows) == tree["nodes"]
    for row in rows:
        children = [child for child in rows if child["parent_id"] == row["node_id"]]
        if children:
            assert row["visits"] == sum(child["visits"] for child in children)
            assert row["value"] == sum(child["value"] for child in children)
        assert 0 <= row["value"] <= row["visits"]
        assert row["is_answer"] == (row["kind"] == "answer")
        assert (row["reward"] is not None) == (row["is_answer"] and row["defect"] is None)
        assert (row["verdict"] is None) == (row["reward"] is None)
        assert row["reward"] in (None, 0.0, 1.0)
    assert tree["correct"] == sum(row["reward"] == 1.0 for row in rows)
    assert tree["wrong"] == sum(row["reward"] == 0.0 for row in rows)
    assert sum(row["tokens"] for row in rows) <= tree["tokens"]


def check_leaf(path: list[dict[str, object]]) -> None:
    """Defects and answers are leaves; a checked chain is well-formed and states its answer once, at the end."""
    *inner, leaf = path
    assert all(row["defect"] is None and not row["is_answer"] for row in inner)
    if leaf["defect"] is not None or leaf["is_answer"]:
        assert leaf["visits"] == 1
    if leaf["reward"] is not None:
        chain = render_chain([Thought(ThoughtKind(row["kind"]), str(row["text"])) for row in path])
        thoughts, rest = parse_chain(chain)
        assert rest == ""
        assert [thought.kind.value for thought in thoughts] == [row["kind"] for row in path]


def check_shape(
    path: list[dict[str, object]], pattern_name: object, thoughts: pl.DataFrame, config: SearchConfig
) -> None:
    """Every step is one of the pattern's, or its forced kind beside a wrong answer; all within the limits."""
    pattern = PATTERNS[str(pattern_name)]
    wrong_below = set(thoughts.filter(reward=0.0)["parent_id"])
    stretch: list[ThoughtKind] = []
    forced = 0
    for row in path:
        kind = ThoughtKind(row["kind"])
        allowed = pattern.transitions[stretch[-1]] if stretch else pattern.first
        if row["forced"]:
            assert kind is pattern.on_wrong
            assert row["parent_id"] in wrong_below
            forced += 1
            stretch = []
        else:
            assert kind in allowed
        stretch.append(kind)
        assert stretch.count(kind) <= config.max_repeats
    assert forced <= config.max_reflections
    assert [row["depth"] for row in path] == list(range(1, len(path) + 1))
    assert len(path) <= config.max_depth
    assert len(path) < config.max_depth or path[-1]["is_answer"]


def check_distinct(paths: list[list[dict[str, object]]], tree: dict[str, object]) -> None:
    """Success counts texts of whole chains, each once."""
    texts = [tuple((row["kind"], row["text"]) for row in path) for path in paths if path[-1]["reward"] == 1.0]
    assert len(set(texts)) == len(texts) == tree["correct"]


def check_stop(tree: dict[str, object], config: SearchConfig) -> None:
    """The reason given is one that holds, and no limit is passed by more than one expansion."""
    correct, wrong, rollouts, tokens = (tree[name] for name in ("correct", "wrong", "rollouts", "tokens"))
    assert isinstance(correct, int)
    assert isinstance(rollouts, int)
    assert isinstance(tokens, int)
    assert rollouts <= config.rollouts
    widest = 2 * config.children * config.parallel_rollouts
    assert correct < config.correct_most + widest
    widest *= config.max_thought_tokens
    assert config.max_tree_tokens is None or tokens < config.max_tree_tokens + widest
    assert {
        "correct_most": correct >= config.correct_most,
        "correct_enough": correct >= config.correct_enough and bool(wrong),
        "max_tree_tokens": config.max_tree_tokens is not None and tokens >= config.max_tree_tokens,
        "rollouts": rollouts == config.rollouts,
        "hopeless": not correct and rollouts == config.hopeless_after,
        "exhausted": True,
    }[str(tree["stop_reason"])]
