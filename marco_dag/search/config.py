"""What a profile says about the tree search."""

import math

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
    exploration: float = Field(math.sqrt(2), ge=0)
    """C of the UCB score v/n + C·sqrt(ln N_parent / n), ≥ 0."""
    children: int = Field(2, ge=1)
    """Completions asked for each allowed transition of an expanded node, ≥ 1; equal ones are merged."""
    rollouts: int = Field(32, ge=1)
    """Rollouts a tree may take, ≥ 1."""
    correct_enough: int = Field(4, ge=1)
    """A tree stops once it has this many distinct correct answer paths and one wrong one, ≥ 1."""
    correct_most: int = Field(8, ge=1)
    """A tree stops at this many distinct correct answer paths, with or without a wrong one, ≥ 1."""
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
    trees_in_flight: int = Field(256, ge=1)
    """Trees grown at the same time, ≥ 1."""
