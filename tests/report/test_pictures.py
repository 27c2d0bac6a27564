import numpy as np
import polars as pl
import pytest

from marco_dag.evaluation import TEST_AT_N
from marco_dag.report import pictures


def chains(*rows):
    return pl.DataFrame(rows, schema=["task", "length_rank", "tokens"], orient="row")


def test_bars_show_the_rates_and_whiskers_their_intervals(run):
    accuracy, no_answer = pictures.rates(run.summary, ["base", "sft"]).axes
    row = run.summary.filter(checkpoint="sft", decoding="greedy", benchmark="all").row(0, named=True)
    # two bars a decoding, greedy first, the last checkpoint at the bottom
    assert accuracy.patches[0].get_width() == pytest.approx(100 * row["accuracy"])
    assert no_answer.patches[0].get_width() == pytest.approx(100 * row["no_answer"])
    whisker = accuracy.containers[0].lines[2][0].get_segments()[0]
    assert whisker[:, 0] == pytest.approx([100 * row["accuracy_low"], 100 * row["accuracy_high"]])


def test_a_checkpoint_that_is_not_scored_leaves_its_place_empty(run_without_recipes):
    accuracy, _ = pictures.rates(run_without_recipes.summary, run_without_recipes.profile.checkpoints).axes
    assert [label.get_text() for label in accuracy.get_yticklabels()] == [
        "control", "full", "plain-dpo", "sft", "base",
    ]  # fmt: skip
    assert len(accuracy.patches) == 4


def test_chain_lengths_have_a_panel_a_task_and_a_histogram_and_density_a_rank():
    figure = pictures.chain_lengths(
        chains(
            *[("letters", "shortest", tokens) for tokens in (10, 11, 11, 14)],
            *[("letters", "longest", tokens) for tokens in (20, 25, 30)],
            ("arithmetic", "longest", 9),
            ("letters", None, 999),
        )
    )
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["arithmetic", "letters"]
    letters = figure.axes[1]
    assert sum(patch.get_height() for patch in letters.patches) == 7  # the chain without a rank is not counted
    # bars a token wide: a density in chains has the area of its histogram
    areas = [np.trapezoid(line.get_ydata(), line.get_xdata()) for line in letters.lines]
    assert areas == pytest.approx([4, 3], rel=0.25)  # tails beyond the panel are cut
    assert not figure.axes[0].lines  # one chain has no spread to smooth


def test_response_lengths_are_shares_up_to_the_limit(run):
    figure = pictures.response_lengths(run.scores, ["sft", "plain-dpo", "not scored"], limit=192)
    assert len(figure.axes) == 2
    for axes, name in zip(figure.axes, ["sft", "plain-dpo"], strict=True):
        assert sum(patch.get_height() for patch in axes.patches) == pytest.approx(100)
        clipped = run.scores.filter(checkpoint=name, decoding="sampled")["clipped"].mean()
        assert axes.patches[-1].get_height() >= 100 * clipped - 1e-9


def test_search_and_sampling_stand_where_their_tokens_are():
    rows = [
        dict.fromkeys(TEST_AT_N, 0.5)
        | {"checkpoint": "sft", "benchmark": "all", "tries": tries, "method": method, "questions": 9}
        | {"tokens": tokens, "solved": solved, "solved_low": solved - 0.1, "solved_high": solved + 0.2}
        for tries, method, tokens, solved in [
            (8, "mcts", 90.0, 0.75), (1, "mcts", 10.0, 0.25), (1, "sampling", 11.0, 0.5), (8, "sampling", 88.0, 0.625)
        ]
    ]  # fmt: skip
    solved, chosen = pictures.solved_by_tokens(pl.DataFrame(rows, schema=TEST_AT_N)).axes
    search, sampling = (container.lines[0] for container in solved.containers)
    assert search.get_xydata().tolist() == [[10, 25], [90, 75]]
    assert sampling.get_xydata().tolist() == [[11, 50], [88, 62.5]]
    whisker = solved.containers[0].lines[2][0].get_segments()[0]
    assert whisker[:, 1] == pytest.approx([15, 45])
    assert [text.get_text() for text in chosen.texts] == ["1", "8", "1", "8"]


def test_losses_draw_every_loss_of_a_stage():
    curve = pl.DataFrame({"step": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "sft_loss": [2.0, None, 1.0], "lr": [1.0] * 3})
    [axes] = pictures.losses({"full": curve}).axes
    assert [line.get_label() for line in axes.lines] == ["loss", "sft_loss"]
    assert list(axes.lines[1].get_xdata()) == [1, 3]


@pytest.mark.parametrize(
    "draw",
    [
        lambda _: pictures.losses({}),
        lambda _: pictures.chain_lengths(chains(("letters", None, 1))),
        lambda run: pictures.response_lengths(run.scores, [], 192),
    ],
)
def test_nothing_to_draw_is_an_error(draw, run):
    with pytest.raises(ValueError, match="nothing to draw"):
        draw(run)


def test_looks_are_drawn_with_their_intervals_and_the_step_that_was_kept():
    looks = pl.DataFrame(
        {
            "step": [0, 10, 20], "questions": [96] * 3, "no_answer": [0.0, 0.02, 0.3], "accuracy": [0.4, 0.5, 0.3],
            "tokens": [40.0, 45.0, 90.0], "kept": [False, True, False],
        }
    )  # fmt: skip
    rates, tokens = pictures.watched({"plain-dpo": looks}).axes
    accuracy, no_answer = rates.containers
    assert [accuracy.get_label(), no_answer.get_label()] == ["accuracy", "no answer"]
    assert no_answer.lines[0].get_ydata() == pytest.approx([0, 2, 30])
    bar = no_answer.lines[2][0].get_segments()[0]
    assert bar[:, 1] == pytest.approx([0, 3.85], abs=0.01)  # Wilson's 95% of 0 in 96
    assert tokens.lines[0].get_ydata() == pytest.approx([40, 45, 90])
    assert rates.lines[-1].get_xdata() == tokens.lines[-1].get_xdata() == [10, 10]
