"""Tables and pictures for people: the results table of the terminal and the HTML report.

Reads tables, computes nothing that is not in `marco_dag.evaluation`. Matplotlib is imported when a picture is drawn.
"""

from marco_dag.report import pictures
from marco_dag.report.checkpoints import describe_checkpoints
from marco_dag.report.findings import Claim, Finding, claims, findings
from marco_dag.report.markdown import results_markdown
from marco_dag.report.page import REPORT_FILE, write_report
from marco_dag.report.svg import inline_svg, png
from marco_dag.report.terminal import benchmarks_table, results_table

__all__ = [
    "REPORT_FILE",
    "Claim",
    "Finding",
    "benchmarks_table",
    "claims",
    "describe_checkpoints",
    "findings",
    "inline_svg",
    "pictures",
    "png",
    "results_markdown",
    "results_table",
    "write_report",
]
