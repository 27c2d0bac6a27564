"""The family `language`: the language of the whole response."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from marco_dag.tasks.ifeval.detection import LANGUAGES
from marco_dag.tasks.ifeval.rule import Parameter
from marco_dag.tasks.ifeval.text import Text

_CHINESE = "zh"
_LANGUAGE = Parameter(
    "a language's code that langdetect knows, such as 'en', 'fr' or 'zh-cn', or 'zh' for Chinese of any region",
    lambda value: value == _CHINESE or value in LANGUAGES,
)


@dataclass(frozen=True, slots=True)
class ResponseLanguage:
    """langdetect takes the response for one in `language`; one that gives it nothing to tell by is let through."""

    kind: ClassVar[str] = "language:response_language"

    language: Annotated[str, _LANGUAGE]
    """ISO 639-1, with a region for Chinese only. `zh` stands for both regions; the published checkers never meet it."""

    def breach(self, text: Text) -> str | None:
        """What language was found instead."""
        found = text.language
        if found is None or found == self.language or (self.language == _CHINESE and found.startswith("zh-")):
            return None
        return f"expected language {self.language}, found {found}"
