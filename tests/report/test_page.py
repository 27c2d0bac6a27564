import re
from html.parser import HTMLParser

import polars as pl
import pytest

from marco_dag import schemas
from marco_dag.evaluation import SUMMARY
from marco_dag.report import REPORT_FILE, write_report
from marco_dag.report.markup import Html, element, html, table
from marco_dag.report.samples import chains_of_interest, degenerate_responses

VOID = {"meta", "br", "use", "path", "link"}
SHAPES = ["Content repetition", "Over-reflection", "Instruction failure"]


class Outline(HTMLParser):
    """Headings of a page; AssertionError where its tags do not match."""

    def __init__(self, page):
        super().__init__()
        self.open, self.headings, self.tags = [], [], set()
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)


def page_of(folder, run, **changes):
    return write_report(folder, **vars(run) | changes).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):
    return page_of(tmp_path_factory.mktemp("report"), run)


def test_the_page_is_whole_and_in_order(page):
    assert Outline(page).headings == [
        "Distillation report",
        "Which effects were seen",
        "Results",
        "Task by task",
        "Length of the responses",
        "Search",
        "Length of the chains",
        "Preference pairs",
        "Training",
        "Examples",
    ]


def test_the_page_needs_nothing_from_elsewhere(page):
    assert "http" not in page
    assert not {"script", "link", "img", "iframe"} & Outline(page).tags
    assert "url(" not in page.replace("url(#", "")
    assert "prefers-color-scheme: dark" in page


def test_every_checkpoint_and_task_is_in_the_results(page, run):
    for name in (*run.profile.checkpoints, "letters", "arithmetic", "blocksworld", "instructions"):
        assert f">{name}<" in page
    assert "200 held-out questions, answered once greedily" in page
    assert page.count("<svg") == 4


def test_model_output_and_names_are_escaped(tmp_path, run):
    hostile = "<thinking>b1 <script>alert(1)</script>&"
    scores = run.scores.with_columns(
        response=pl.lit(hostile), repetition=0.5, verdict=pl.lit("<i>"), answered=False, correct=False
    )
    text = page_of(tmp_path, run, scores=scores, profile=run.profile.model_copy(update={"name": "<b>mine"}))
    assert "<script" not in text
    assert "&lt;thinking&gt;b1 &lt;script&gt;" in text
    assert "Verdict: &lt;i&gt;" in text
    assert "&lt;b&gt;mine" in text
    Outline(text)


def test_the_questions_asked_are_shown_where_they_are_known(tmp_path, run):
    [(_, row), *_] = degenerate_responses(run.scores)
    question = dict.fromkeys(schemas.SEED_PROMPTS, "") | {"seed_id": row["question_id"], "prompt": "How many b?"}
    questions = pl.DataFrame([question], schema=schemas.SEED_PROMPTS)
    assert "<q>How many b?</q>" in page_of(tmp_path, run, questions=questions)
    assert "<q>How many b?</q>" not in page_of(tmp_path, run)


def test_the_same_tables_give_the_same_page_but_for_the_date(tmp_path, run, page):
    def undated(text):
        return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "", text)

    assert undated(page_of(tmp_path, run)) == undated(page)


def test_a_recipe_that_is_not_there_yet_is_shown_as_a_gap(tmp_path, run_without_recipes):
    text = page_of(tmp_path, run_without_recipes)
    assert text.count("<em>not scored yet</em>") == 3
    assert text.count("One of the two checkpoints has not been scored yet.") == 4
    Outline(text)


def test_empty_tables_make_a_page_of_gaps(tmp_path, run):
    empty = {name: schemas.TABLES[name].to_frame() for name in ("scores", "chains", "trees")}
    text = page_of(
        tmp_path / "new" / "folder",
        run,
        **empty,
        pairs=schemas.PREFERENCE_PAIRS.to_frame(),
        summary=SUMMARY.to_frame(),
        curves={"sft": pl.DataFrame()},
    )
    assert (tmp_path / "new" / "folder" / REPORT_FILE).is_file()
    assert "<svg" not in text
    assert text.count('class="gap"') == 8
    Outline(text)


def test_example_chains_recover_from_an_error_and_show_both_ends_of_one_prompt(run):
    examples = chains_of_interest(run.chains)
    recovering, shortest, longest = (text for _, _, text in examples)
    assert "<reflection>" in recovering
    lengths = dict(run.chains.select("text", "tokens").iter_rows())
    assert examples[1][1] == examples[2][1]
    spans = run.chains.group_by("seed_id").agg((pl.col("tokens").max() - pl.col("tokens").min()).alias("span"))
    assert lengths[longest] - lengths[shortest] == spans["span"].max()


def test_wrong_and_truncated_chains_are_no_examples(run):
    assert chains_of_interest(run.chains.with_columns(correct=False)) == []
    assert chains_of_interest(run.chains.with_columns(truncated=True)) == []


def test_each_shape_of_degeneration_has_its_own_example(run):
    examples = degenerate_responses(run.scores)
    assert [shape for shape, _ in examples] == SHAPES
    repeating, reflecting, failing = (row for _, row in examples)
    of_checkpoint = run.scores.filter(checkpoint=repeating["checkpoint"])
    assert repeating["checkpoint"] == "plain-dpo"
    assert repeating["repetition"] == of_checkpoint["repetition"].max()
    assert reflecting["reflections"] >= 3
    assert not reflecting["correct"]
    assert not failing["answered"]


def test_healthy_responses_are_no_examples_of_degeneration(run):
    healthy = run.scores.filter(pl.col("correct")).with_columns(repetition=0.0)
    assert degenerate_responses(healthy) == []


def test_text_is_escaped_and_markup_is_not():
    assert html("<b>") == "&lt;b&gt;"
    assert element("p", "<b>", Html("<i></i>"), class_='a"b') == '<p class="a&quot;b">&lt;b&gt;<i></i></p>'
    assert "<td>&lt;1</td>" in table(["a", "b"], [["row", "<1"]])


def test_what_was_watched_stands_under_the_losses(run, tmp_path):
    columns = ("step", "questions", "no_answer", "accuracy", "tokens")
    looks = pl.DataFrame([(0, 96, 0.0, 0.4, 40.0), (10, 96, 0.1, 0.5, 45.0)], schema=columns, orient="row")
    page = page_of(tmp_path / "watched", run, watches={"sft": looks.with_columns(kept=pl.col("step") == 10)})
    assert "the dotted line stands at the step that was kept" in page
    assert page.count("<figure") == page_of(tmp_path / "not", run).count("<figure") + 1
