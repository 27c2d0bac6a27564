"""Letter counting: how often does a letter stand in a pseudo-word? Counts 0 to 3 are equally likely."""

import random
from typing import ClassVar

from marco_dag.tasks.answers import check_integer, read_answer, same_integer
from marco_dag.tasks.protocol import Question, Reference, Verdict

_ALPHABET = "abdeglmnopsu"
_LENGTHS = (4, 5, 6)
_COUNTS = (0, 1, 2, 3)


class LettersTask:
    """Reference: `word` (not empty) and `letter` (one character); upper and lower case are the same letter."""

    name: ClassVar[str] = "letters"

    def generate(self, rng: random.Random) -> Question:
        """A pseudo-word of 4 to 6 letters and a letter that it holds 0 to 3 times, each with probability 1/4."""
        letter = rng.choice(_ALPHABET)
        count, length = rng.choice(_COUNTS), rng.choice(_LENGTHS)
        others = [other for other in _ALPHABET if other != letter]
        letters = [letter] * count + [rng.choice(others) for _ in range(length - count)]
        rng.shuffle(letters)
        word = "".join(letters)
        return Question(f"How many {letter} in {word}?", {"word": word, "letter": letter})

    def check_reference(self, reference: Reference) -> None:
        """ValueError where `word` is no text or empty, or `letter` is not one character."""
        word, letter = reference.get("word"), reference.get("letter")
        if not isinstance(word, str) or not word:
            raise ValueError("word: must be a text of at least one letter")
        if not isinstance(letter, str) or len(letter) != 1:
            raise ValueError("letter: must be one character")

    def verify(self, response: str, reference: Reference) -> Verdict:
        """Correct where the answer is the number of times that the letter stands in the word."""
        word, letter = str(reference["word"]), str(reference["letter"])
        return check_integer(response, word.lower().count(letter.lower()))

    def stated_answer(self, response: str) -> str | None:
        """What the last Answer block states."""
        return read_answer(response)

    def same_answer(self, first: str, second: str) -> bool:
        """Whether both are the same integer."""
        return same_integer(first, second)
