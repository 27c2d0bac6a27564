"""What the verifiers cost that are the reward of the search and the score of the benchmarks, one module each."""

from benchmarks import verifier_ifeval, verifier_math, verifier_planbench
from benchmarks.figure import Figure


def measure() -> list[Figure]:
    """One check of each kind of answer, ordinary and hostile."""
    return [*verifier_math.measure(), *verifier_planbench.measure(), *verifier_ifeval.measure()]
