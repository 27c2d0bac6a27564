"""What model cards and data cards have in common: YAML in front, Markdown behind, licence fields, nothing secret.

What stands in the cells comes from users and models: nothing in it may end a cell or open markup.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from marco_dag.redaction import redact_text

CARD = "README.md"
"""The file of a card, where the Hugging Face hub looks for it."""
FILL_IN = "FILL-IN"
"""Stands where only the user can know what belongs there."""

_UNSAFE = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "&#124;"), ("`", "&#96;"), ("\n", "⏎"), ("\r", ""))


@dataclass(frozen=True, slots=True)
class Licence:
    """Under which terms something is handed out; what is not said has to be filled in."""

    id: str | None = None
    """The hub's identifier, such as `apache-2.0`; `other` with the two below; None leaves it to be filled in."""
    name: str | None = None
    """The name of another licence."""
    link: str | None = None
    """Where it can be read."""

    @property
    def is_chosen(self) -> bool:
        """Whether the user has said which."""
        return self.id is not None

    def fields(self) -> dict[str, str]:
        """The fields of a card."""
        if self.id is None:
            return {"license": "other", "license_name": FILL_IN, "license_link": FILL_IN}
        further = {"license_name": self.name, "license_link": self.link}
        return {"license": self.id, **{name: value for name, value in further.items() if value is not None}}


def write_card(folder: Path, fields: Mapping[str, object], parts: Iterable[str]) -> None:
    """Write the card: `fields` in front, then the parts, a blank line between them; secrets are replaced."""
    import yaml

    front = yaml.safe_dump(dict(fields), sort_keys=False, allow_unicode=True, width=1000)
    text = f"---\n{front}---\n\n" + "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"
    (folder / CARD).write_text(redact_text(text), encoding="utf-8")


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; without rows a line that says so."""
    lines = ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    if not lines:
        return "(none)"
    return "\n".join([f"| {' | '.join(header)} |", "|" + "---|" * len(header), *lines])


def yaml_block(values: object) -> str:
    """A fenced block of YAML."""
    import yaml

    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True).replace("```", "'''")
    return f"```yaml\n{text}```"


def cell(value: object) -> str:
    """A value as the text of one table cell, or of a line."""
    text = "–" if value is None else str(value)
    for plain, safe in _UNSAFE:
        text = text.replace(plain, safe)
    return text


def terms(licence: Licence, others: Iterable[tuple[str, str]]) -> str:
    """The part on licences: this one, and what else has terms that bear on it, as (what, which)."""
    ours = (
        "The fields above say it."
        if licence.is_chosen
        else f"**Not chosen yet**: fill in `license`, `license_name` and `license_link` above (`{FILL_IN}`)."
    )
    table = markdown_table(("what it rests on", "which", "its terms"), [(*other, FILL_IN) for other in others])
    return f"## Licence\n\n{ours} What it was made from has terms of its own; look them up and fill them in:\n\n{table}"
