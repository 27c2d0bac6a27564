"""From completions to children: defects marked, duplicates merged.

Everything here is a function of the completions alone. Model output is hostile text: whatever it is, it becomes a node,
and never a trusted one.
"""

from collections.abc import Callable, Sequence

from marco_dag.engines.protocol import Completion
from marco_dag.search.calls import Calls
from marco_dag.search.prompts import Ask
from marco_dag.search.tree import ThoughtNode, Tree
from marco_dag.thoughts import Thought, ThoughtKind, holds_tag


def grow_children(
    tree: Tree,
    asks: Sequence[Ask],
    completions: Sequence[Sequence[Completion]],
    calls: Calls,
    same: Callable[[Thought], Thought],
) -> dict[Thought, ThoughtNode]:
    """The distinct children that `completions` make, in sampling order; not yet attached, answers not yet checked.

    Each stands under what `same` (`marco_dag.search.duplicates`) makes of it; of equal ones the first stays, unless it
    has a defect and a later one has none.
    """
    children: dict[Thought, ThoughtNode] = {}
    for ask, samples in zip(asks, completions, strict=True):
        for index, completion in enumerate(samples):
            child = _make_child(tree, ask, index, completion, calls.model_digest(ask.role))
            key = same(child.thought)
            twin = children.get(key)
            if twin is None or (twin.defect and not child.defect):
                children[key] = child
    return children


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
        confidence=completion.confidence,
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
