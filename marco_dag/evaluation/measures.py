"""What a response's text shows of degeneration: repetition and reflection words.

Two of the three shapes of formalistic long-time thinking that the paper names (content repetition, over-reflection);
the third, no answer, is the task verifier's to tell. Counts words, judges nothing: where normal thinking ends and a
degenerate loop begins is the reader's decision. Reflection words are English.
"""

import re

from marco_dag.thoughts import TAGS, ThoughtKind

REPETITION_WORDS = 20
"""Length of the word-grams whose repetition is measured, in words."""

REFLECTION_WORDS: tuple[str, ...] = (
    "wait",
    "hmm",
    "alternatively",
    "on second thought",
    "recheck",
    "re-check",
    "rethink",
    "re-think",
    "reconsider",
    "double-check",
    "double check",
    "let me check",
    "let me verify",
    "try again",
    "start over",
)
"""What counts as a reflection word, in any case of letters, as whole words."""

_TAG = re.compile("|".join(re.escape(tag) for tag in TAGS))
_WORD = re.compile(
    "|".join(
        (
            _TAG.pattern,
            r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]",  # scripts without spaces: a sign is a word
            r"[^\W\d_\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+",
            r"\d+",
            r"[^\w\s]|_",
        )
    )
)
_REFLECTION_WORD = re.compile(
    r"\b(?:" + "|".join(word.replace(" ", r"\s+") for word in REFLECTION_WORDS) + r")\b", re.IGNORECASE
)
_REFLECTION_BLOCK = re.compile(
    rf"(?:{ThoughtKind.REFLECTION.opening_tag}|{ThoughtKind.RECLARIFY.opening_tag})(.*?)(?={_TAG.pattern}|\Z)",
    re.DOTALL,
)


def words(text: str) -> list[str]:
    """The words of a text, in lower case.

    A word is a tag of the chain language, a run of letters, a run of digits, one punctuation mark or symbol, or one
    sign of a script written without spaces (Thai, Japanese, Chinese). So split, chains that hold few spaces
    (`a1b2;c3>d`) are measured as prose is.
    """
    return _WORD.findall(text.lower())


def repetition(text: str, size: int = REPETITION_WORDS) -> float:
    """The share of a text's `size`-word-grams that stood in it before, in [0, 1); 0 for a text of fewer words.

    1 - distinct / all, as in rep-n of Welleck et al. 2020 (arXiv 1908.04319).
    """
    sequence = words(text)
    count = len(sequence) - size + 1
    if count < 1:
        return 0.0
    return 1 - len({tuple(sequence[i : i + size]) for i in range(count)}) / count


def reflections(text: str) -> int:
    """How often a text reflects, >= 0: its reflection words, and each Reflection or Reclarify block that holds none.

    So a block counts at least once, whatever its words, and a tag's own name is no word.
    """
    silent_blocks = sum(1 for block in _REFLECTION_BLOCK.findall(text) if not _REFLECTION_WORD.search(block))
    return silent_blocks + len(_REFLECTION_WORD.findall(_TAG.sub("\n", text)))
