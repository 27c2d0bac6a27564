"""The profile of a run: named once, when the code location loads, and adjustable field by field for one run.

The partitions of recipes and checkpoints follow the profile that the code location was loaded with; a run may change
what a recipe does, not which recipes there are.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import dagster as dg
from pydantic import Field

from marco_dag.errors import ProfileError
from marco_dag.profiles import Profile, load_profile, parse_profile

PROFILE_VARIABLE = "MARCO_PROFILE"
"""Environment variable that names the profile: a shipped one or a YAML file; without it, `miniature`."""


@cache
def chosen_profile() -> Profile:
    """The profile that `MARCO_PROFILE` names, read once; ProfileError says what is wrong with it."""
    return load_profile(os.environ.get(PROFILE_VARIABLE) or "miniature")


class ProfileResource(dg.ConfigurableResource["ProfileResource"]):
    """What models and how much work."""

    changes: dict[str, Any] = Field(default_factory=dict)
    """Fields to set otherwise in this run, nested as in the YAML: `{"search": {"rollouts": 6}}`."""

    @property
    def profile(self) -> Profile:
        """The chosen profile with the run's changes; ProfileError names a wrong field."""
        base = chosen_profile()
        if not self.changes:
            return base
        changed = parse_profile(_merged(base.model_dump(mode="json"), self.changes), origin="changes of this run")
        if changed.recipes.keys() != base.recipes.keys():
            raise ProfileError(
                f"changes of this run: recipes: {', '.join(base.recipes)} are the partitions of this code location; "
                f"load it with another {PROFILE_VARIABLE} to have other recipes"
            )
        return changed


def _merged(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with `changes` laid over them; nested objects are merged, everything else is replaced."""
    return values | {
        name: _merged(values[name], change)
        if isinstance(change, Mapping) and isinstance(values.get(name), dict)
        else change
        for name, change in changes.items()
    }
