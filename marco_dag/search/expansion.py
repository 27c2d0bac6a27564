"""From completions to children: defects marked, duplicates merged.

`sample` is the only place of the search that calls an engine; what follows is a function of its completions alone.
Model output is hostile text: whatever it is, it becomes a node, and never a trusted one.
"""

import asyncio
from collections.abc import Sequence

from marco_dag.engines.protocol import Completion, RoleEngines
from marco_dag.errors import EngineError
from marco_dag.search.prompts import Ask
from marco_dag.search.tree import ThoughtNode, Tree
from marco_dag.thoughts import Thought, ThoughtKind, holds_tag


async def sample(asks: Sequence[Ask], engines: RoleEngines) -> list[Sequence[Completion]]:
    """The completions of each ask, all in flight together, in their order.

    EngineError of the first ask that failed, once none is in flight any more.
    """
    if len(asks) == 1:
        results: list[Sequence[Completion] | BaseException] = [await engines[asks[0].role].complete(asks[0].request)]
    else:
        calls = (engines[ask.role].complete(ask.request) for ask in asks)
        results = await asyncio.gather(*calls, return_exceptions=True)
    answers: list[Sequence[Completion]] = []
    for ask, result in zip(asks, results, strict=True):
        if isinstance(result, BaseException):
            raise result
        if len(result) != ask.request.n:
            raise EngineError(f"the {ask.role} engine returned {len(result)} completions for n = {ask.request.n}")
        answers.append(result)
    return answers


def grow_children(
    tree: Tree, asks: Sequence[Ask], completions: Sequence[Sequence[Completion]], engines: RoleEngines
) -> list[ThoughtNode]:
    """The distinct children that `completions` make, in sampling order; not yet attached, answers not yet checked.

    Of siblings of one kind and text the first stays, unless it has a defect and a later one has none.
    """
    children: dict[Thought, ThoughtNode] = {}
    for ask, samples in zip(asks, completions, strict=True):
        for index, completion in enumerate(samples):
            child = _make_child(tree, ask, index, completion, engines[ask.role].model_digest)
            twin = children.get(child.thought)
            if twin is None or (twin.defect and not child.defect):
                children[child.thought] = child
    return list(children.values())


def find_defect(kind: ThoughtKind, completion: Completion) -> str | None:
    """Why a completion is no whole thought: "truncated" or "malformed: …"; None where it is one."""
    if completion.finish_reason == "length":
        return "truncated"
    if holds_tag(completion.text):
        return "malformed: holds a tag"
    if completion.stop != kind.closing_tag:
        return "malformed: ended without its closing tag"
    if not completion.text.strip():
        return "malformed: empty"
    return None


def _make_child(tree: Tree, ask: Ask, index: int, completion: Completion, model_digest: str) -> ThoughtNode:
    text = _as_unicode(completion.text)
    defect = find_defect(ask.kind, completion)
    if defect is None and text is not completion.text:
        defect = "malformed: not Unicode"
    thought = Thought(ask.kind, ask.opening + text)
    return ThoughtNode(
        node_id=tree.node_id(ask.parent, thought, ask.role),
        parent=ask.parent,
        depth=ask.parent.depth + 1,
        closed=defect is not None or ask.kind is ThoughtKind.ANSWER,
        thought=thought,
        role=ask.role,
        model_digest=model_digest,
        sampling_seed=ask.request.seed,
        sample=index,
        tokens=completion.tokens,
        finish_reason=completion.finish_reason,
        defect=defect,
        forced=ask.forced,
    )


def _as_unicode(text: str) -> str:
    """`text` itself, or a copy with "?" for each lone surrogate, which no table and no hash could hold."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text
