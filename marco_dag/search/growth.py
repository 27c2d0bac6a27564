"""How a tree gets its thoughts, whatever the strategy: what may follow, what is written, what is checked, what counts.

It decides no order and no end: which thought is grown next is a strategy's business.
"""

from collections.abc import Sequence

from marco_dag.engines.protocol import Completion
from marco_dag.search.appraisal import appraisal_of
from marco_dag.search.calls import Calls
from marco_dag.search.config import SearchConfig
from marco_dag.search.duplicates import SAMENESS
from marco_dag.search.expansion import grow_children
from marco_dag.search.patterns import Pattern
from marco_dag.search.prompts import Ask, PromptWriter
from marco_dag.search.tree import Node, ThoughtNode, Tree, path_to
from marco_dag.thoughts import ThoughtKind


class Growth:
    """One tree, its pattern, and the calls that it grows by.

    Every new answer is appraised and back-propagated at once, since that is free; so is every thought with a defect, as
    a visit of value 0. Success counts distinct paths to an answer that is taken for right.
    """

    def __init__(self, tree: Tree, pattern: Pattern, writer: PromptWriter, calls: Calls, config: SearchConfig) -> None:
        self.tree = tree
        self.pattern = pattern
        self.writer = writer
        self.calls = calls
        self.config = config
        self.tokens = 0
        """Sampled so far, discarded duplicates included."""
        self.correct = 0
        """Distinct correct answer paths; children of a node differ, so every answer node is a path of its own.

        Where the search scores itself: those that were not doubted when they were written.
        """
        self.wrong = 0
        """Distinct answer paths that are not correct."""
        self._same = SAMENESS[config.duplicates]
        self._appraisal = appraisal_of(config, tree, calls)

    def kinds_below(self, node: Node) -> tuple[ThoughtKind, ...]:
        """What the pattern and the limits allow below an open `node`; at least one kind."""
        path = path_to(node)
        last_forced = max((index for index, step in enumerate(path) if step.forced), default=0)
        stretch = [step.thought.kind for step in path[last_forced:]]
        return self.pattern.next_kinds(stretch, self.config.max_depth - node.depth, self.config.max_repeats)

    def ask_forced(self, wrong: ThoughtNode, draw: int) -> Ask | None:
        """The ask for the thought that answers to a wrong answer; None where none may be forced."""
        parent, kind = wrong.parent, self.pattern.on_wrong
        if parent is None or kind is None:
            return None
        forced = sum(step.forced for step in path_to(parent))
        if forced >= self.config.max_reflections or not self.pattern.may_force(self.config.max_depth - parent.depth):
            return None
        return self.writer.ask_after(wrong, kind, draw=draw)

    def is_doubted(self, answer: ThoughtNode) -> bool:
        """Whether an answer of this tree is taken for wrong."""
        return self._appraisal.is_doubted(answer)

    async def write(self, asks: Sequence[Ask], completions: Sequence[Sequence[Completion]]) -> list[ThoughtNode]:
        """The distinct children that the completions of `asks`, all below one node, make there; at least one.

        One that says the same as a child that is there already is that child; the others are attached.
        """
        parent = asks[0].parent
        self.tokens += sum(completion.tokens for samples in completions for completion in samples)
        known = {self._same(child.thought): child for child in parent.children}
        grown = grow_children(self.tree, asks, completions, self.calls, self._same)
        fresh = [child for thought, child in grown.items() if thought not in known]
        self.tree.attach(parent, fresh)
        for child in fresh:
            if child.defect is not None:
                self.tree.back_propagate(child, 0.0)
            elif child.is_answer:
                await self._check(child)
        return [known.get(thought, child) for thought, child in grown.items()]

    async def _check(self, answer: ThoughtNode) -> None:
        await self._appraisal.appraise(answer)
        if self.is_doubted(answer):
            self.wrong += 1
        else:
            self.correct += 1
