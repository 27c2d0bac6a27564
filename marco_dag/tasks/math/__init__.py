"""Mathematics as GSM8K, MATH and AIME ask it: a final answer in LaTeX or plain words, checked for equivalence.

`task` is the verifier; `extraction` finds the stated answer; `latex` and `quantities` read it; `equivalence` decides
what is plain and leaves the rest to math-verify, which runs in the processes of `checkers` (`worker` is their program).
"""

from marco_dag.tasks.math.task import MathTask

__all__ = ["MathTask"]
