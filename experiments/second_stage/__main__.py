"""Run the experiment, or go on with it: `python -m experiments.second_stage --seeds 5`.

Leaves `answers.parquet`, `trainings.parquet` and `table.md` in the folder, and the table between the markers of a page
where one is named. A killed run goes on when it is called again; a larger `--seeds` adds to a smaller one.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from experiments.second_stage.runs import Experiment, Run
from experiments.second_stage.summary import answers_of, differences, trainings_of
from experiments.second_stage.table import markdown, write_between_markers
from experiments.second_stage.variants import PROFILE, VARIANTS, comparisons
from experiments.second_stage.workers import make_everything

_QUESTIONS = 120
"""Half of the miniature's, so that a seed takes minutes."""


def main() -> None:
    """Read the arguments, run, say where what came out lies."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.second_stage", description="Try second stages beside the control."
    )
    parser.add_argument("--seeds", type=int, default=5, help="runs, of the seeds 0, 1, … (default 5)")
    parser.add_argument("--teachers", type=int, default=1, help="embedded models; seeds take turns (default 1)")
    parser.add_argument("--workers", type=int, default=2, help="processes at once, one thread each (default 2)")
    parser.add_argument("--questions", type=int, default=_QUESTIONS, help=f"to search, a task (default {_QUESTIONS})")
    parser.add_argument("--folder", type=Path, default=Path("build/second_stage"), help="where everything is kept")
    parser.add_argument("--page", type=Path, help="page to write the table into, between its markers")
    arguments = parser.parse_args()
    for name in ("seeds", "teachers", "workers", "questions"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name}: at least 1")
    seeds = PROFILE.seeds.model_copy(update={"generated_per_task": arguments.questions})
    experiment = Experiment(PROFILE.model_copy(update={"seeds": seeds}), VARIANTS, arguments.folder)
    runs = [Run(experiment, seed, seed % arguments.teachers) for seed in range(arguments.seeds)]
    start = time.perf_counter()
    table = run_experiment(runs, workers=arguments.workers)
    print(table)
    print(f"{time.perf_counter() - start:.0f} s; everything is in {arguments.folder}")
    if arguments.page:
        write_between_markers(arguments.page, table)


def run_experiment(runs: Sequence[Run], *, workers: int) -> str:
    """Make what is missing of `runs`, which share one experiment, write what came out, and return the table."""
    experiment = runs[0].experiment
    make_everything(runs, workers=workers, logs=experiment.folder / "logs")
    answers, trainings = answers_of(runs), trainings_of(runs)
    answers.write_parquet(experiment.folder / "answers.parquet")
    trainings.write_parquet(experiment.folder / "trainings.parquet")
    table = markdown(answers, trainings, differences(answers, comparisons(experiment.variants)), experiment.variants)
    (experiment.folder / "table.md").write_text(table)
    return table


if __name__ == "__main__":
    main()
