"""Instruction following by the rules of IFEval and Multi-IF, as a task."""

import random
from typing import ClassVar

from marco_dag.tasks.answers import no_answer
from marco_dag.tasks.ifeval.composing import compose
from marco_dag.tasks.ifeval.judging import find_breaches, judged_text
from marco_dag.tasks.ifeval.registry import read_instructions
from marco_dag.tasks.protocol import Question, Reference, Verdict


class IfEvalTask:
    """Reference: `instruction_id_list` and `kwargs` as published; `language` for the rules of Multi-IF.

    `language` is the request's, one of `MULTI_IF_LANGUAGES`; without it the rules are IFEval's own.
    """

    name: ClassVar[str] = "ifeval"

    def generate(self, rng: random.Random) -> Question:
        """A request in English with one to three instructions that do not exclude one another, under IFEval's rules."""
        return compose(rng)

    def check_reference(self, reference: Reference) -> None:
        """ValueError that names the instruction and the kwarg that is unknown, missing or impossible."""
        read_instructions(reference)

    def verify(self, response: str, reference: Reference) -> Verdict:
        """Correct where the response follows every instruction strictly, else the reason names the first it breaks.

        Of a chain the last Answer block is judged, of free text all of it; `judge` tells of each instruction.
        """
        instructions = read_instructions(reference)
        stated = judged_text(response)
        if stated is None:
            return no_answer()
        for rule, breach in zip(instructions.rules, find_breaches(stated, instructions), strict=True):
            if breach is not None:
                return Verdict("wrong", f"{rule.kind}: {breach}", stated)
        return Verdict("correct", "every instruction is followed", stated)
