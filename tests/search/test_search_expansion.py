import asyncio
import time
from collections.abc import Sequence

import pytest

from marco_dag.engines.protocol import Completion, Engine, Request
from marco_dag.engines.scripted import ScriptedEngine
from marco_dag.errors import EngineError
from marco_dag.search import SearchConfig
from marco_dag.search.calls import DirectCalls
from marco_dag.search.duplicates import SAMENESS
from marco_dag.search.expansion import find_defect, grow_children
from marco_dag.search.prompts import PromptWriter
from marco_dag.search.tree import ThoughtNode, Tree
from marco_dag.tasks import TASKS
from marco_dag.thoughts import ThoughtKind

T, A, D = ThoughtKind.THINKING, ThoughtKind.ANSWER, ThoughtKind.DOUBLE_CHECK


def expand(*texts: str, kind: ThoughtKind = T, opening: str = "", max_tokens: int = 10**7) -> list[ThoughtNode]:
    """The children that a scripted engine's samples make below the prompt."""
    engine = ScriptedEngine(lambda _request, index: texts[index])
    engines = {"generator": engine, "critic": engine}
    config = SearchConfig(openings={kind: opening}, children=len(texts), max_thought_tokens=max_tokens)
    tree = Tree("tree-1")
    asks = [PromptWriter("p", "tree-1", config, 0).ask(tree.root, "", kind)]
    calls = DirectCalls(engines, TASKS["letters"], {})
    return list(grow_children(tree, asks, asyncio.run(calls.complete(asks)), calls, SAMENESS["exact"]).values())


def test_a_whole_thought_has_no_defect_and_keeps_where_it_came_from() -> None:
    first, second = expand("one</thinking> and more", "two</thinking>", opening="So ")
    assert (first.thought.text, second.thought.text) == ("So one", "So two")
    assert (first.sample, second.sample) == (0, 1)
    assert first.sampling_seed == second.sampling_seed
    assert first.tokens == len("one</thinking>")
    assert (first.defect, first.closed, first.depth, first.model_digest) == (None, False, 1, "scripted")


def test_an_answer_is_a_closed_leaf() -> None:
    (answer,) = expand("3</answer>", kind=A)
    assert answer.is_answer
    assert answer.closed
    assert answer.defect is None


@pytest.mark.parametrize(
    ("text", "defect"),
    [
        ("an unclosed tag, then the end", "malformed: ended without its closing tag"),
        ("another block's end</double-check></thinking>", "malformed: holds a tag"),
        ("an answer on the way <answer>3</answer></thinking>", "malformed: holds a tag"),
        ("its own tag again <thinking></thinking>", "malformed: holds a tag"),
        (" \n</thinking>", "malformed: empty"),
        ("", "malformed: ended without its closing tag"),
        ("a lone \ud800 surrogate</thinking>", "malformed: not Unicode"),
    ],
)
def test_a_malformed_thought_is_a_closed_leaf_with_its_defect(text: str, defect: str) -> None:
    (child,) = expand(text)
    assert child.defect == defect
    assert child.closed


def test_a_thought_cut_at_the_limit_is_truncated() -> None:
    (child,) = expand("too long to be closed</thinking>", max_tokens=5)
    assert (child.defect, child.finish_reason, child.tokens, child.thought.text) == ("truncated", "length", 5, "too l")


def test_a_thought_that_ends_at_anothers_stop_is_malformed() -> None:
    assert find_defect(T, Completion("x", 1, "stop", "</answer>")) == "malformed: ended without its closing tag"


@pytest.mark.parametrize(
    "text", ["\x00\x07\x1b[2J", "‮txet\u200b", "</think ing> <THINKING> < answer>", "𝟛 \U0001f34c", "{}%s\\"]
)
def test_odd_characters_are_kept_as_they_are(text: str) -> None:
    (child,) = expand(text + "</thinking>")
    assert child.defect is None
    assert child.thought.text == text


def test_a_million_characters_without_a_newline_cost_little() -> None:
    start = time.perf_counter()
    closed, unclosed, tags = expand("<" * 10**6 + "</thinking>", "<thinkin" * 125_000, "<answer>" * 125_000, kind=T)
    assert time.perf_counter() - start < 5
    assert (closed.defect, unclosed.defect) == (None, "malformed: ended without its closing tag")
    assert tags.defect == "malformed: holds a tag"


def test_equal_siblings_are_merged_into_the_first() -> None:
    children = expand("same</thinking>", "other</thinking>", "same</thinking>")
    assert [(child.thought.text, child.sample) for child in children] == [("same", 0), ("other", 1)]


def test_a_whole_thought_wins_over_an_equal_one_with_a_defect() -> None:
    (child,) = expand("same", "same</thinking>")
    assert (child.defect, child.sample) == (None, 1)


def calls_to(generator: Engine, critic: Engine) -> DirectCalls:
    return DirectCalls({"generator": generator, "critic": critic}, TASKS["letters"], {})


class FickleEngine(ScriptedEngine):
    """Serves with too few completions, or not at all."""

    def __init__(self, error: EngineError | None = None, seconds: float = 0.0) -> None:
        super().__init__(lambda _request, _sample: "")
        self.error = error
        self.seconds = seconds

    async def complete(self, request: Request) -> Sequence[Completion]:
        await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error
        return []


def test_too_few_completions_are_the_engines_fault() -> None:
    writer = PromptWriter("p", "t", SearchConfig(), 0)
    asks = [writer.ask(Tree("t").root, "", T)]
    with pytest.raises(EngineError, match="generator engine returned 0 completions for n = 2"):
        asyncio.run(calls_to(FickleEngine(), FickleEngine()).complete(asks))


def test_of_several_failed_asks_the_first_is_named_even_if_it_fails_last() -> None:
    writer = PromptWriter("p", "t", SearchConfig(), 0)
    asks = [writer.ask(Tree("t").root, "", kind) for kind in (T, D)]
    calls = calls_to(FickleEngine(EngineError("first"), 0.01), FickleEngine(EngineError("second")))
    with pytest.raises(EngineError, match="first"):
        asyncio.run(calls.complete(asks))


def test_all_asks_of_an_expansion_are_in_flight_together() -> None:
    async def run() -> int:
        arrived, most = 0, 0

        class Counting(FickleEngine):
            async def complete(self, request: Request) -> Sequence[Completion]:
                nonlocal arrived, most
                arrived += 1
                most = max(most, arrived)
                await asyncio.sleep(0.01)
                arrived -= 1
                return [Completion("x", 1, "stop", request.stop[0])] * request.n

        writer = PromptWriter("p", "t", SearchConfig(), 0)
        asks = [writer.ask(Tree("t").root, "", kind) for kind in (T, A, D)]
        await calls_to(Counting(), Counting()).complete(asks)
        return most

    assert asyncio.run(run()) == 3
