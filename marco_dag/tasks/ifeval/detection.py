"""The language of a text by langdetect, seeded: the same text always gets the same answer, in any thread.

langdetect's own `detect` draws from a factory that a whole process shares; here it has a factory of its own, with seed
0 (which the published IFEval sets too) and its profiles in alphabetical order.
"""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from langdetect import DetectorFactory

LANGUAGES: Final = (
    *("af", "ar", "bg", "bn", "ca", "cs", "cy", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "gu", "he", "hi"),
    *("hr", "hu", "id", "it", "ja", "kn", "ko", "lt", "lv", "mk", "ml", "mr", "ne", "nl", "no", "pa", "pl", "pt", "ro"),
    *("ru", "sk", "sl", "so", "sq", "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "zh-cn", "zh-tw"),
)
"""The codes that langdetect knows."""

_SEED = 0
_LONGEST = 20_000
_OTHER_SCRIPTS = re.compile(r"[\u0900-\u097f\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]")


def detect_language(text: str) -> str | None:
    """Langdetect's code of the language, "unknown" where none is likely, None where the text has no feature of any.

    Looks at the first 20,000 characters (langdetect itself at 10,000 that belong to no address), for 0.1 s at most.
    """
    from langdetect import LangDetectException

    detector = _factory().create()
    detector.append(text[:_LONGEST])
    try:
        language: str = detector.detect()
    except LangDetectException:
        return None
    return language


def may_be_written_otherwise(text: str) -> bool:
    """Whether the text holds any character of the scripts of Chinese, Japanese or Hindi.

    Without one, langdetect names none of these languages, and need not be asked.
    """
    return _OTHER_SCRIPTS.search(text) is not None


@cache
def _factory() -> "DetectorFactory":
    from langdetect import DetectorFactory
    from langdetect.detector_factory import PROFILES_DIRECTORY

    factory = DetectorFactory()
    factory.set_seed(_SEED)
    factory.load_json_profile(
        [profile.read_text(encoding="utf-8") for profile in sorted(Path(PROFILES_DIRECTORY).iterdir())]
    )
    return factory
