"""The family `change_case`: capitals and lower case."""

from dataclasses import dataclass
from typing import ClassVar

from marco_dag.tasks.ifeval.counting import count_capital_words
from marco_dag.tasks.ifeval.rule import Count, Relation, check_reachable, compare
from marco_dag.tasks.ifeval.text import Text

_ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class CapitalWordFrequency:
    """Words in capitals stand in the response `capital_relation` `capital_frequency` times (`count_capital_words`)."""

    kind: ClassVar[str] = "change_case:capital_word_frequency"

    capital_frequency: Count
    """How often."""
    capital_relation: Relation
    """How the two compare."""

    def __post_init__(self) -> None:
        check_reachable("capital_frequency", self.capital_relation, self.capital_frequency)

    def breach(self, text: Text) -> str | None:
        """How many were found."""
        found = count_capital_words(text.text)
        return compare(found, self.capital_relation, self.capital_frequency, "words in capitals")


@dataclass(frozen=True, slots=True)
class EnglishCapital:
    """Every cased character of the response is a capital, there is one, and langdetect takes it for English.

    langdetect reads few features of capitals and often errs on short ones, in the published checkers too.
    """

    kind: ClassVar[str] = "change_case:english_capital"

    def breach(self, text: Text) -> str | None:
        """Which of the three fails."""
        return _language_breach(text) if text.text.isupper() else "not all letters are capitals"


@dataclass(frozen=True, slots=True)
class EnglishLowercase:
    """No cased character of the response is a capital, there is one, and langdetect takes it for English."""

    kind: ClassVar[str] = "change_case:english_lowercase"

    def breach(self, text: Text) -> str | None:
        """Which of the three fails."""
        return _language_breach(text) if text.text.islower() else "not all letters are in lower case"


def _language_breach(text: Text) -> str | None:
    return None if text.language in (_ENGLISH, None) else f"expected English, found language {text.language}"
