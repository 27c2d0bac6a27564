"""A pair's own ε for cDPO: how likely it is that its rejected branch is really the better one.

Notation: of n answers below a branch v were correct, so that under a uniform prior its true rate of correct answers θ
is distributed as Beta(1 + v, 1 + n − v). Knows no trees and no losses.
"""

from math import comb

MOST_SMOOTHING = 0.49
"""The largest ε: from 0.5 on the loss would no longer prefer the chosen side."""


def visit_smoothing(chosen_correct: int, chosen_visits: int, rejected_correct: int, rejected_visits: int) -> float:
    """ε = P(θ_rejected > θ_chosen), at most MOST_SMOOTHING, from the counts v and n of the two branches.

    Near 0 where the chosen branch is clearly the better one; one answer each, right and wrong, gives 1/6;
    MOST_SMOOTHING where the two cannot be told apart, or the visits speak for the rejected one. Falls with every wrong
    answer below the chosen branch that were correct instead, rises with every such one below the rejected. ValueError
    as `probability_above`.
    """
    return min(probability_above(rejected_correct, rejected_visits, chosen_correct, chosen_visits), MOST_SMOOTHING)


def probability_above(correct: int, visits: int, other_correct: int, other_visits: int) -> float:
    """P(θ > θ_other), in (0, 1), for two branches of which `correct` of `visits` answers were correct; exact.

    Given θ, θ_other lies below it with the probability that of other_visits + 1 uniform draws more than other_correct
    fall below θ. Over θ, the number of those that do is beta-binomial; its upper terms add up to the answer (Altham,
    Journal of the Royal Statistical Society B, 1969). ValueError unless 0 ≤ correct ≤ visits on both sides.
    """
    for v, n in ((correct, visits), (other_correct, other_visits)):
        if not 0 <= v <= n:
            raise ValueError(f"{v} of {n} answers cannot be correct")
    wrong, draws = visits - correct, other_visits + 1
    favourable = sum(
        comb(correct + below, below) * comb(wrong + draws - below, draws - below)
        for below in range(other_correct + 1, draws + 1)
    )
    return favourable / comb(visits + draws + 1, draws)
