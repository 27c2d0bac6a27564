"""What decides a tree before anything of it is written: its id, its pattern, its random generator."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from marco_dag.engines.protocol import RoleEngines
from marco_dag.identity import JsonValue, content_id, derive_seed
from marco_dag.search.config import SearchConfig
from marco_dag.search.patterns import Pattern, resolve_patterns
from marco_dag.search.prompts import PromptWriter
from marco_dag.search.seed_rows import SeedRow
from marco_dag.search.tree import Tree

SEARCH_VERSION = "2"
"""Part of every tree's id; goes up whenever the same inputs would give other trees."""


@dataclass(frozen=True, slots=True)
class Planted:
    """A tree that is about to grow."""

    tree: Tree
    pattern: Pattern
    writer: PromptWriter
    rng: random.Random
    max_tokens: int | None
    """Its own token budget; None leaves it to the configuration."""


class Planter:
    """Plants the trees of one search; all that decides a tree is in its id."""

    def __init__(
        self, engines: RoleEngines, config: SearchConfig, *, seed: int, budgets: Mapping[str, int] | None
    ) -> None:
        """ProfileError where the configuration names an impossible pattern."""
        self._patterns = resolve_patterns(config)
        self._config = config
        self._seed = seed
        self._budgets = budgets or {}
        self._settings = config.model_dump(mode="json", exclude={"live_sequences"})
        self._digests: dict[str, JsonValue] = {role: engine.model_digest for role, engine in engines.items()}

    @property
    def patterns(self) -> Sequence[Pattern]:
        """Those that trees are drawn from."""
        return self._patterns

    def key(self) -> dict[str, JsonValue]:
        """All that decides the trees, the seed prompts left out."""
        return {
            "version": SEARCH_VERSION,
            "models": self._digests,
            "config": self._settings,
            "budgets": dict(self._budgets),
            "seed": self._seed,
        }

    def plant(self, row: SeedRow) -> Planted:
        """The tree of one seed."""
        rng = random.Random(derive_seed(self._seed, row.seed_id))
        pattern = rng.choice(self._patterns)
        budget = self._budgets.get(row.seed_id)
        tree_id = content_id(
            "tree", SEARCH_VERSION, row.seed_id, pattern.name, self._seed, self._digests, self._settings, budget
        )
        writer = PromptWriter(row.prompt, tree_id, self._config, self._seed)
        return Planted(Tree(tree_id, self._config.solved_subtree), pattern, writer, rng, budget)
