"""The report's sections on data: the search, the chains' lengths, the preference pairs, the training curves."""

from collections.abc import Mapping

import polars as pl

from marco_dag.profiles import Profile
from marco_dag.report import pictures
from marco_dag.report.formats import number, percent
from marco_dag.report.markup import Html, element, gap, picture, section, table
from marco_dag.report.svg import inline_svg

_ALL_TASKS = "all"


def search_section(trees: pl.DataFrame, chains: pl.DataFrame) -> Html:
    """What the tree search found, task by task, which patterns it drew and why its trees stopped."""
    if trees.is_empty():
        return section("Search", gap("No tree has been grown yet."))
    columns = (
        "task",
        "trees",
        "solved %",
        "right and wrong %",
        "right a tree",
        "wrong a tree",
        "rollouts a tree",
        "tokens a tree",
        "right chains that reflect %",
    )
    by_task = [(task, trees.filter(task=task)) for task in trees["task"].unique().sort()]
    rows = [_search_row(name, group, chains) for name, group in [*by_task, (_ALL_TASKS, trees)]]
    note = (
        f"{trees['tokens'].sum():,} tokens sampled. Solved: at least one right answer. "
        "Right and wrong: both kinds, so that preference pairs can be made."
    )
    shares = [
        table([title, "trees", "share %", "solved %"], _share_rows(trees, column))
        for title, column in (("transition pattern", "pattern"), ("stopped because", "stop_reason"))
    ]
    return section(
        "Search",
        table(columns, rows),
        element("p", note, class_="note"),
        element("div", *shares, class_="pair"),
    )


def chains_section(profile: Profile, trees: pl.DataFrame, chains: pl.DataFrame) -> Html:
    """The lengths of shortest, medium and longest correct chains."""
    title = "Length of the chains"
    ranked = chains.filter(pl.col("length_rank").is_not_null())
    if ranked.is_empty():
        return section(title, gap("No correct chain has been found yet."))
    tasks = trees.select("tree_id", "task").unique("tree_id")
    with_task = ranked.join(tasks, on="tree_id", how="left").with_columns(pl.col("task").fill_null("unknown task"))
    caption = (
        "Tokens of the shortest, medium and longest correct chains of each prompt, in the student's tokens "
        f"(the paper's Figure 3). SFT takes from the {profile.curation.sft_rank} first."
    )
    return section(title, picture(inline_svg(pictures.chain_lengths(with_task), caption), caption))


def pairs_section(pairs: pl.DataFrame) -> Html:
    """How many preference pairs there are for each chosen rank, and how long their sides are."""
    if pairs.is_empty():
        return section("Preference pairs", gap("No preference pair has been made yet."))
    groups = pairs.group_by("chosen_rank").agg(
        pl.len(),
        pl.col("seed_id").n_unique(),
        pl.col("chosen_tokens", "rejected_tokens", "common_prefix_tokens").mean(),
        (pl.col("common_prefix_tokens") == 0).mean().alias("apart_at_once"),
    )
    rows = [
        [
            row["chosen_rank"],
            number(row["len"]),
            number(row["seed_id"]),
            number(row["chosen_tokens"], 1),
            number(row["rejected_tokens"], 1),
            number(row["common_prefix_tokens"], 1),
            percent(row["apart_at_once"]),
        ]
        for row in groups.sort("chosen_rank", descending=True).iter_rows(named=True)
    ]
    columns = (
        "chosen chain",
        "pairs",
        "prompts",
        "chosen tokens, mean",
        "rejected tokens, mean",
        "common prefix tokens, mean",
        "no common prefix %",
    )
    return section("Preference pairs", table(columns, rows))


def training_section(curves: Mapping[str, pl.DataFrame], watches: Mapping[str, pl.DataFrame]) -> Html:
    """The loss curves of every stage that was trained, and what its watched questions showed."""
    drawn = {stage: curve for stage, curve in curves.items() if not curve.is_empty() and "step" in curve.columns}
    if not drawn:
        return section("Training", gap("No stage has been trained yet."))
    caption = (
        "Training loss of each stage. Losses of different stages are different objectives: do not compare heights."
    )
    parts = [picture(inline_svg(pictures.losses(drawn), caption), caption)]
    if watches:
        caption = (
            "Sampled answers to a few held-out questions, asked again and again while each stage trained; none of them "
            "is scored. Bars are 95% intervals over questions; the dotted line stands at the step that was kept."
        )
        parts.append(picture(inline_svg(pictures.watched(watches), caption), caption))
    return section("Training", *parts)


def _search_row(name: str, trees: pl.DataFrame, chains: pl.DataFrame) -> list[str]:
    right = chains.filter(pl.col("correct")).join(trees.select("tree_id"), on="tree_id", how="semi")
    reflecting = None if right.is_empty() else float((right["reflections"] > 0).sum()) / right.height
    solved, mixed = pl.col("correct") > 0, (pl.col("correct") > 0) & (pl.col("wrong") > 0)
    means = trees.select(
        solved.mean().alias("solved"),
        mixed.mean().alias("mixed"),
        *(pl.col(column).mean() for column in ("correct", "wrong", "rollouts", "tokens")),
    ).row(0, named=True)
    return [
        name,
        number(trees.height),
        percent(means["solved"]),
        percent(means["mixed"]),
        *(number(means[column], 1) for column in ("correct", "wrong", "rollouts", "tokens")),
        percent(reflecting),
    ]


def _share_rows(trees: pl.DataFrame, column: str) -> list[list[str]]:
    groups = trees.group_by(column).agg(pl.len(), (pl.col("correct") > 0).mean().alias("solved"))
    return [
        [str(name), number(count), percent(count / trees.height), percent(solved)]
        for name, count, solved in groups.sort(column).iter_rows()
    ]
