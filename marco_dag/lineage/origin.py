"""One node of an answer to "where does this come from"."""

from dataclasses import dataclass, field

from marco_dag.identity import JsonValue


@dataclass(frozen=True, slots=True)
class Origin:
    """Something that was made, and what it was made from."""

    kind: str
    """What it is: "artifact", "score", "pair", "chain", "thought", "tree", "seed", …"""
    id: str
    """Its id, or a phrase that stands for many of it."""
    facts: dict[str, JsonValue] = field(default_factory=dict)
    """What is known of it; nulls are left out."""
    made_from: tuple["Origin", ...] = ()
    """Its own origins. What was told before in the same answer is named only: its facts say so."""

    def to_json(self) -> dict[str, JsonValue]:
        """The whole tree as JSON values."""
        return {
            "kind": self.kind,
            "id": self.id,
            "facts": self.facts,
            "made_from": [origin.to_json() for origin in self.made_from],
        }
