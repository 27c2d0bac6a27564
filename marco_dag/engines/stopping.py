"""Where a completion ends in its text, found without decoding every token of every sequence."""

from collections.abc import Callable, Sequence
from functools import lru_cache

from transformers import PreTrainedTokenizerBase


class StopFinder:
    """Finds stop strings in sampled tokens of one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._pieces: list[str] = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        self._may_end: Callable[[tuple[str, ...]], frozenset[int]] = lru_cache(maxsize=256)(self._find_ends)

    def may_end(self, stop: tuple[str, ...]) -> frozenset[int]:
        """The tokens that can complete one of the stop strings: those that hold its last character."""
        return self._may_end(stop)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of sampled tokens, tags included."""
        text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text

    @staticmethod
    def first_stop(text: str, stop: tuple[str, ...]) -> tuple[int, str] | None:
        """Where the earliest stop string begins, and which it is; the longer one where two begin together."""
        found = [(text.index(string), -len(string), string) for string in stop if string in text]
        if not found:
            return None
        position, _, string = min(found)
        return position, string

    def _find_ends(self, stop: tuple[str, ...]) -> frozenset[int]:
        # Byte-level vocabularies spell only ASCII as itself: for other endings, any token may be the one.
        if any(not string[-1].isascii() for string in stop):
            return frozenset(range(len(self._pieces)))
        endings = {string[-1] for string in stop}
        return frozenset(i for i, piece in enumerate(self._pieces) if piece and not endings.isdisjoint(piece))
