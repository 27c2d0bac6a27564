"""What a profile says about the tree search."""

import math
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from marco_dag.config import Config
from marco_dag.thoughts import ThoughtKind


class PatternConfig(Config):
    """A transition pattern of the user's own: which thought may follow which (paper §3.1, Figure 2)."""

    name: str
    """How the trees table names it."""
    first: tuple[ThoughtKind, ...]
    """The kinds that may follow the prompt."""
    transitions: dict[ThoughtKind, tuple[ThoughtKind, ...]]
    """For each kind, the kinds that may follow it; an Answer has none, and a Reflection follows only an error."""
    on_wrong: ThoughtKind | None = ThoughtKind.REFLECTION
    """The kind that is forced after a wrong answer, any but answer; null: a wrong answer ends its rollout."""


class SearchConfig(Config):
    """How one tree grows, and when it stops. Defaults follow upstream's demo (32 rollouts, 4 to 8 correct, C = √2)."""

    patterns: tuple[str | PatternConfig, ...] = ("a", "b", "c", "d")
    """Transition patterns, one drawn at random per tree: the paper's by letter, or a user's own in full."""
    strategy: Literal["mcts", "best-of-n", "beam"] = "mcts"
    """How a tree grows: Monte Carlo tree search, or one of the baselines (independent chains; beam search)."""
    exploration: float = Field(math.sqrt(2), ge=0)
    """C of the UCB score v/n + C·sqrt(ln N_parent / n), ≥ 0."""
    first_play: float = Field(0.5, ge=0)
    """Value assumed of a thought that was never visited, ≥ 0; a large one visits every sibling before any one twice."""
    prior_weight: float = Field(0.0, ge=0)
    """Visits that the model's confidence in its own tokens counts for, ≥ 0 (Marco-o1 v1's value); 0 leaves it out."""
    children: int = Field(2, ge=1)
    """Completions asked for each allowed transition of an expanded node, ≥ 1; equal ones are merged."""
    rollouts: int = Field(32, ge=1)
    """Rollouts a tree may take, ≥ 1."""
    parallel_rollouts: int = Field(4, ge=1)
    """Rollouts that run at once in a hard tree, ≥ 1; each one under way counts as `virtual_loss` visits of value 0."""
    hard_after: int = Field(8, ge=0)
    """Rollouts after which a tree that has not ended is hard, ≥ 0; 0 runs rollouts of every tree in parallel."""
    virtual_loss: float = Field(1.0, ge=0)
    """Visits of value 0 that a rollout under way counts for on its way down, ≥ 0."""
    hopeless_after: int | None = Field(16, ge=1)
    """A tree without a correct answer after this many rollouts is given up, ≥ 1; null: never."""
    correct_enough: int = Field(4, ge=1)
    """A tree stops once it has this many distinct correct answer paths and one wrong one, ≥ 1."""
    correct_most: int = Field(8, ge=1)
    """A tree stops at this many distinct correct answer paths, with or without a wrong one, ≥ 1."""
    solved_subtree: int | None = Field(4, ge=1)
    """A thought with this many correct answers below it is closed: others are looked into, ≥ 1; null: never."""
    duplicates: Literal["exact", "loose"] = "exact"
    """Which siblings are one and the same: those of equal text, or of equal words whatever case, space and marks."""
    max_depth: int = Field(12, ge=2)
    """Thoughts a chain may have, its answer included, ≥ 2; towards the end only what leads to an answer may follow."""
    max_repeats: int = Field(3, ge=1)
    """How often one kind may stand in a chain in all, ≥ 1; counted anew after each forced thought."""
    max_reflections: int = Field(2, ge=0)
    """Thoughts forced by a wrong answer that a chain may have, ≥ 0; 0 turns error backtracking off."""
    max_thought_tokens: int = Field(512, ge=1)
    """Sampled tokens a thought may have, ≥ 1; a thought cut here is marked truncated and never trained on."""
    max_tree_tokens: int | None = Field(None, ge=1)
    """A tree that has sampled this many tokens asks for no more, ≥ 1; null for no limit."""
    temperature: float = Field(0.7, ge=0)
    """Sampling temperature, ≥ 0."""
    top_p: float = Field(0.9, gt=0, le=1)
    """Nucleus mass, in (0, 1]."""
    openings: dict[ThoughtKind, str] | None = None
    """The words that open a thought of each kind; null takes the paper's, {} none."""
    instructions: str | None = None
    """System message that teaches a general model the tags; null takes the built-in one, "" none."""
    samples: int = Field(8, ge=1)
    """Best-of-N: chains begun together, ≥ 1; further rounds follow until a stop rule holds."""
    beam_width: int = Field(4, ge=1)
    """Beam: thoughts that are kept at each depth, ≥ 1."""
    beam_groups: int = Field(1, ge=1)
    """Beam: groups that it is divided into, each with a subtree of its own, ≥ 1; as many as the width: diverse."""
    live_sequences: int | None = Field(None, ge=1)
    """Completions in flight at once over all trees, ≥ 1; null: as many as the engines bear."""

    @property
    def wants_confidence(self) -> bool:
        """Whether the model shall say how sure it is of its tokens."""
        return self.strategy == "beam" or (self.strategy == "mcts" and self.prior_weight > 0)


class SelfScoredConfig(SearchConfig):
    """A search that is told of no answer whether it is right, as at test time: it goes by its own answers."""

    scored_by: Literal["vote", "confidence"] = "vote"
    """What a finished chain is worth: the share of the tree's answers so far that say the same as its own, or the
    model's confidence in its tokens (Marco-o1 v1)."""

    @property
    def wants_confidence(self) -> bool:
        """Whether the model shall say how sure it is of its tokens."""
        return self.scored_by == "confidence" or super().wants_confidence


NO_END_BUT_TOKENS: Mapping[str, object] = {
    "rollouts": 1_000_000,
    "hopeless_after": None,
    "correct_enough": 1_000_000,
    "correct_most": 1_000_000,
}
"""Settings under which a tree grows until its tokens are spent, or until it can grow no more."""
