"""The search of one tree: rollouts from selection to a checked answer, and when to stop (paper §3.1).

A rollout selects an unexpanded node, expands it, walks on from one of the new children and expands that, until the walk
reaches an Answer. A wrong one sends it back to the Answer's parent, where the critic writes a forced thought, and the
same rollout goes on from there. Every new answer is checked and back-propagated at once, the walk's siblings too, since
the check is free; so is every thought with a defect, as a visit of value 0. Success counts distinct verified paths.
"""

import random
import time
from collections.abc import Sequence

from marco_dag.errors import EngineError, EngineUnavailableError
from marco_dag.search.calls import Calls
from marco_dag.search.config import SearchConfig
from marco_dag.search.expansion import grow_children
from marco_dag.search.patterns import Pattern
from marco_dag.search.prompts import Ask, PromptWriter
from marco_dag.search.tree import Node, ThoughtNode, Tree, chain_text, path_to
from marco_dag.thoughts import render_chain


class TreeSearch:
    """One tree and the search that grows it."""

    def __init__(
        self,
        tree: Tree,
        pattern: Pattern,
        writer: PromptWriter,
        calls: Calls,
        config: SearchConfig,
        rng: random.Random,
        *,
        max_tokens: int | None = None,
    ) -> None:
        """`max_tokens` takes the place of `config.max_tree_tokens`."""
        self._max_tokens = config.max_tree_tokens if max_tokens is None else max_tokens
        self.tree = tree
        self.pattern = pattern
        self._writer = writer
        self._calls = calls
        self._config = config
        self._rng = rng
        self.strategy = config.strategy
        """By which it grows."""
        self.rollouts = 0
        """Begun so far."""
        self.tokens = 0
        """Sampled so far, discarded duplicates included."""
        self.correct = 0
        """Distinct correct answer paths; children of a node differ, so every answer node is a path of its own."""
        self.wrong = 0
        """Distinct answer paths that were checked and are not correct."""
        self.stop_reason = ""
        """Why it ended: "correct_most", "correct_enough", "max_tree_tokens", "exhausted", "rollouts" or "failed: …"."""
        self.seconds = 0.0
        """Wall-clock time from its first rollout to its last."""
        self.failure: EngineError | None = None
        """What made it fail."""

    async def grow(self) -> None:
        """Run rollouts until a stop rule holds; an EngineError ends this search alone and keeps what has grown."""
        start = time.perf_counter()
        try:
            while not (reason := self._reached_limit() or self._ran_out()):
                self.rollouts += 1
                await self._roll_out()
        except EngineUnavailableError:
            raise
        except EngineError as error:
            self.failure = error
            reason = f"failed: {error}"
        self.stop_reason = reason
        self.seconds = time.perf_counter() - start

    def _reached_limit(self) -> str:
        """The stop rule that holds whether or not a rollout is under way, or ""."""
        config = self._config
        if self.correct >= config.correct_most:
            return "correct_most"
        if self.correct >= config.correct_enough and self.wrong:
            return "correct_enough"
        if self._max_tokens is not None and self.tokens >= self._max_tokens:
            return "max_tree_tokens"
        return ""

    def _ran_out(self) -> str:
        """Why no other rollout can begin, or ""."""
        if self.tree.root.closed:
            return "exhausted"
        return "rollouts" if self.rollouts >= self._config.rollouts else ""

    async def _roll_out(self) -> None:
        node: Node | None = self.tree.select(self._config.exploration, self._rng)
        while node is not None:
            whole = [child for child in await self._expand(node) if child.defect is None]
            if not whole or self._reached_limit():
                return
            step = self._rng.choice(whole)
            node = await self._backtrack(step) if step.is_answer else step

    async def _expand(self, node: Node) -> list[ThoughtNode]:
        """Ask for every transition that the pattern and the limits allow; at least one child, checked and attached."""
        path = path_to(node)
        stretch = [step.thought.kind for step in path[_last_forced(path) :]]
        kinds = self.pattern.next_kinds(stretch, self._config.max_depth - node.depth, self._config.max_repeats)
        chain = render_chain([step.thought for step in path])
        return await self._write(node, chain, [self._writer.ask(node, chain, kind) for kind in kinds])

    async def _backtrack(self, answer: ThoughtNode) -> ThoughtNode | None:
        """The forced thought that answers to `answer`; None where it is right, none may be forced or it has a defect.

        Where the critic only repeats a sibling, the walk goes on from that one.
        """
        parent, kind = answer.parent, self.pattern.on_wrong
        if answer.reward or parent is None or kind is None:
            return None
        forced = sum(step.forced for step in path_to(parent))
        if forced >= self._config.max_reflections or not self.pattern.may_force(self._config.max_depth - parent.depth):
            return None
        written = await self._write(parent, chain_text(parent), [self._writer.ask_after(answer, kind)])
        return None if written[0].defect or self._reached_limit() else written[0]

    async def _write(self, parent: Node, chain: str, asks: Sequence[Ask]) -> list[ThoughtNode]:
        """The children that the engines write below `parent`; new ones are attached, checked and back-propagated."""
        completions = await self._calls.complete(asks)
        self.tokens += sum(completion.tokens for samples in completions for completion in samples)
        known = {child.thought: child for child in parent.children}
        grown = grow_children(self.tree, asks, completions, self._calls)
        fresh = [child for child in grown if child.thought not in known]
        self.tree.attach(parent, fresh)
        for child in fresh:
            if child.defect is not None:
                self.tree.back_propagate(child, 0.0)
            elif child.is_answer:
                await self._check(child, chain)
        return [known.get(child.thought, child) for child in grown]

    async def _check(self, answer: ThoughtNode, chain: str) -> None:
        verdict = await self._calls.verify(str(answer.node_id), chain + answer.thought.render())
        answer.reward = 1.0 if verdict.outcome == "correct" else 0.0
        answer.verdict = verdict.reason
        if answer.reward:
            self.correct += 1
        else:
            self.wrong += 1
        self.tree.back_propagate(answer, answer.reward)


def _last_forced(path: Sequence[ThoughtNode]) -> int:
    """The index of the last forced thought on `path`; 0 where there is none."""
    return max((index for index, step in enumerate(path) if step.forced), default=0)
