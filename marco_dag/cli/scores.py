"""`marco scores`: the results table, and the published benchmarks."""

import argparse
import sys

from marco_dag.cli.options import declare_profile, declare_root, profile_of, storage_of
from marco_dag.cli.output import console

HELP = "Print the results table of the checkpoints that were scored."


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    declare_profile(parser, "whose recipes to describe")
    parser.add_argument("--markdown", action="store_true", help="print Markdown, for a pull request or a CI summary")
    declare_root(parser)


def run(chosen: argparse.Namespace) -> None:
    """Print the tables."""
    from marco_dag.errors import EvaluationError
    from marco_dag.evaluation import summarize
    from marco_dag.lineage import connect
    from marco_dag.report import benchmarks_table, describe_checkpoints, results_markdown, results_table

    profile = profile_of(chosen)
    storage = storage_of(chosen)
    with connect(storage) as connection:
        scores = connection.sql("SELECT * FROM scores").pl()
    if scores.is_empty():
        raise EvaluationError(f"no scores below {storage.root} yet; materialize benchmark_scores first")
    summary = summarize(scores, profile.evaluation.confidence)
    descriptions = describe_checkpoints(profile)
    if chosen.markdown:
        sys.stdout.write(results_markdown(summary, descriptions))
        return
    console().print(results_table(summary, descriptions))
    if (benchmarks := benchmarks_table(summary, descriptions)) is not None:
        console().print(benchmarks)
