"""What a finished chain is worth to its tree: what the verifier says, or, at test time, what the tree makes of it.

At test time nobody says which answer is right. Then a chain is worth the share of the tree's answers that agree with
its own (self-consistency, Wang et al. 2022, arXiv 2203.11171), or the model's confidence in it (Marco-o1 v1, arXiv
2411.14405 §4). Nothing here sees a reference.
"""

from dataclasses import dataclass, field
from statistics import fmean
from typing import Protocol

from marco_dag.search.calls import Calls
from marco_dag.search.config import SearchConfig, SelfScoredConfig
from marco_dag.search.tree import ThoughtNode, Tree, chain_confidence, chain_text


class Appraisal(Protocol):
    """How the answers of one tree are rewarded."""

    async def appraise(self, answer: ThoughtNode) -> None:
        """Reward an answer that was just attached and back-propagate it; earlier answers may be rewarded anew."""
        ...

    def is_doubted(self, answer: ThoughtNode) -> bool:
        """Whether an appraised answer is taken for wrong as things stand, so that error backtracking answers to it."""
        ...


def appraisal_of(config: SearchConfig, tree: Tree, calls: Calls) -> Appraisal:
    """The appraisal that `config` asks for, over one tree."""
    if not isinstance(config, SelfScoredConfig):
        return Verified(tree, calls)
    return Voted(tree, calls) if config.scored_by == "vote" else Confident(tree)


class Verified:
    """The task's verifier says what is right: reward 1 or 0 (paper §3.1)."""

    def __init__(self, tree: Tree, calls: Calls) -> None:
        self._tree = tree
        self._calls = calls

    async def appraise(self, answer: ThoughtNode) -> None:
        """See `Appraisal.appraise`."""
        verdict = await self._calls.verify(str(answer.node_id), chain_text(answer))
        answer.reward = 1.0 if verdict.outcome == "correct" else 0.0
        answer.verdict = verdict.reason
        self._tree.back_propagate(answer, answer.reward)

    def is_doubted(self, answer: ThoughtNode) -> bool:
        """See `Appraisal.is_doubted`."""
        return not answer.reward


@dataclass(slots=True)
class _Party:
    """The answers that say the same."""

    says: str
    answers: list[ThoughtNode] = field(default_factory=list)


class Voted:
    """An answer is worth the share of all answers of its tree that say the same; each new one shifts all shares.

    One that states nothing has no vote and is worth 0. Doubted is what another answer outvotes.
    """

    def __init__(self, tree: Tree, calls: Calls) -> None:
        self._tree = tree
        self._calls = calls
        self._parties: list[_Party] = []
        self._party_of: dict[ThoughtNode, _Party] = {}

    async def appraise(self, answer: ThoughtNode) -> None:
        """See `Appraisal.appraise`."""
        answer.reward = 0.0
        self._tree.back_propagate(answer, 0.0)
        says = self._calls.stated_answer(chain_text(answer))
        if says is None:
            return
        place = await self._calls.find_same(says, [party.says for party in self._parties])
        if place is None:
            self._parties.append(_Party(says))
        party = self._parties[-1 if place is None else place]
        party.answers.append(answer)
        self._party_of[answer] = party
        for each in self._parties:
            for member in each.answers:
                self._tree.revalue(member, len(each.answers) / len(self._party_of))

    def is_doubted(self, answer: ThoughtNode) -> bool:
        """See `Appraisal.is_doubted`."""
        party = self._party_of.get(answer)
        return party is None or len(party.answers) < max(len(each.answers) for each in self._parties)


class Confident:
    """An answer is worth the model's mean confidence in the thoughts of its chain, in [0, 1]; never shifted afterwards.

    Doubted is what lies below the mean of the tree's answers.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._rewards: list[float] = []

    async def appraise(self, answer: ThoughtNode) -> None:
        """See `Appraisal.appraise`."""
        answer.reward = chain_confidence(answer)
        self._rewards.append(answer.reward)
        self._tree.back_propagate(answer, answer.reward)

    def is_doubted(self, answer: ThoughtNode) -> bool:
        """See `Appraisal.is_doubted`."""
        return answer.reward is not None and answer.reward < fmean(self._rewards)
