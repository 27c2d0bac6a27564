"""The task `planbench`: Blocksworld problems in PlanBench's words; any plan that works is right."""

import random
from typing import ClassVar

from marco_dag.tasks.answers import stated_text
from marco_dag.tasks.planbench.generation import generate_problem
from marco_dag.tasks.planbench.problem import parse_problem
from marco_dag.tasks.planbench.reading import read_plan
from marco_dag.tasks.planbench.simulator import simulate
from marco_dag.tasks.planbench.wording import statement_of, zero_shot_prompt
from marco_dag.tasks.protocol import Question, Reference, Verdict


class PlanBenchTask:
    """Reference: `problem`, a problem in PDDL of the domain blocksworld-4ops."""

    name: ClassVar[str] = "planbench"

    def generate(self, rng: random.Random) -> Question:
        """A random problem of 3, 4 or 5 blocks, asked as PlanBench asks without an example."""
        problem = generate_problem(rng)
        return Question(zero_shot_prompt(statement_of(problem)), {"problem": problem})

    def check_reference(self, reference: Reference) -> None:
        """ValueError where `problem` is no problem of this domain, or its state or its goal is impossible."""
        problem = reference.get("problem")
        if not isinstance(problem, str):
            raise ValueError("problem: must be a text, the problem in PDDL")
        parse_problem(problem)

    def verify(self, response: str, reference: Reference) -> Verdict:
        """Correct where the stated plan can be carried out and the goal then holds; `read_plan` says what is a plan.

        Without an action there is no answer, unless the goal holds from the first and the plan is empty in so many
        words. The verdict's answer is the plan as read, one PDDL action a line.
        """
        problem = parse_problem(str(reference["problem"]))
        stated = stated_text(response)
        plan = None if stated is None else read_plan(stated, problem.names)
        if plan is None or (not plan and not problem.goal <= problem.init):
            return Verdict("no_answer", "no action is stated")
        check = simulate(problem, plan)
        return Verdict("correct" if check.is_valid else "wrong", check.reason, "\n".join(map(str, plan)))
