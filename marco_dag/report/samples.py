"""The report's section of examples: chains of the search, and responses in the three shapes of degeneration.

Which example is shown follows from the tables alone: the clearest of its kind, never a hand-picked one.
"""

from collections.abc import Mapping

import polars as pl

from marco_dag.report.formats import percent
from marco_dag.report.markup import Html, element, gap, html, join, section
from marco_dag.thoughts import parse_chain

_SHOWN_CHARS = 1200
_OVER_REFLECTING = 3


def chains_of_interest(chains: pl.DataFrame) -> list[tuple[str, str, str]]:
    """(what it shows, seed_id, text) of up to three correct chains.

    The shortest that reflects and then gets it right, and the shortest and the longest chain of the prompt whose two
    lie furthest apart.
    """
    correct = chains.filter(pl.col("correct") & ~pl.col("truncated")).sort("tokens", "chain_id")
    shown: list[tuple[str, str, str]] = []
    reflecting = correct.filter(pl.col("reflections") > 0)
    if not reflecting.is_empty():
        row = reflecting.row(0, named=True)
        shown.append((f"Recovers from an error · {row['tokens']} tokens", row["seed_id"], row["text"]))
    spans = correct.group_by("seed_id").agg((pl.col("tokens").max() - pl.col("tokens").min()).alias("span"))
    widest = spans.filter(pl.col("span") > 0).sort(-pl.col("span"), "seed_id").head(1)
    for seed_id in widest["seed_id"]:
        of_prompt = correct.filter(seed_id=seed_id)
        for name, place in (("Shortest", 0), ("Longest", -1)):
            row = of_prompt.row(place, named=True)
            title = f"{name} correct chain of one prompt · {row['tokens']} tokens"
            shown.append((title, row["seed_id"], row["text"]))
    return shown


def degenerate_responses(scores: pl.DataFrame) -> list[tuple[str, dict[str, object]]]:
    """(shape, row of the scores) of at most one response for each of the paper's three shapes, never one twice.

    Each comes from the checkpoint that has its shape most often. Content repetition: the most repetitive.
    Over-reflection: the wrong or missing answer with the most reflection words, three at least. Instruction failure:
    the least repetitive without an answer. A shape that no response has is left out.
    """
    shapes = (
        ("Content repetition", pl.col("repetition") > 0, -pl.col("repetition")),
        ("Over-reflection", ~pl.col("correct") & (pl.col("reflections") >= _OVER_REFLECTING), -pl.col("reflections")),
        ("Instruction failure", ~pl.col("answered") & (pl.col("response").str.len_chars() > 0), pl.col("repetition")),
    )
    keys = ["checkpoint", "decoding", "benchmark", "question_id", "sample", "turn"]
    left, shown = scores, []
    for shape, has_shape, rank in shapes:
        in_shape = left.filter(has_shape)
        often = in_shape.group_by("checkpoint").len().sort("len", "checkpoint", descending=[True, False])["checkpoint"]
        found = in_shape.filter(pl.col("checkpoint").is_in(often.head(1))).sort(rank, -pl.col("tokens"), *keys).head(1)
        shown += [(shape, row) for row in found.iter_rows(named=True)]
        left = left.join(found, on=keys, how="anti")
    return shown


def samples_section(chains: pl.DataFrame, scores: pl.DataFrame, prompts: Mapping[str, str]) -> Html:
    """The examples; `prompts` maps a seed_id to its prompt, and may lack some."""
    parts: list[str] = [element("h3", "Chains of the search")]
    parts += [
        _sample(title, prompts.get(seed_id), text, "") for title, seed_id, text in chains_of_interest(chains)
    ] or [gap("No correct chain has been found yet.")]
    parts.append(element("h3", "Responses in the three shapes of formalistic long-time thinking"))
    degenerate = degenerate_responses(scores)
    for shape, row in degenerate:
        title = f"{shape} · {row['checkpoint']}, {row['decoding']} · {row['tokens']} tokens"
        share = row["repetition"]
        assert isinstance(share, float)
        note = f"Verdict: {row['verdict']} · repetition {percent(share)}% · {row['reflections']} reflection words"
        prompt = prompts.get(str(row["question_id"]))
        parts.append(_sample(title, prompt, str(row["response"]), note + (" · clipped" if row["clipped"] else "")))
    if not degenerate:
        parts.append(gap("No response repeats itself, over-reflects or stays without an answer."))
    return section("Examples", *parts)


def _sample(title: str, prompt: str | None, text: str, note: str) -> Html:
    notes = [element("p", note, class_="note")] if note else []
    asked = [element("q", prompt)] if prompt else []
    head = element("header", element("strong", title), *asked)
    return element("article", head, _chain(text), *notes)


def _chain(text: str) -> Html:
    """A response block by block; what is not well-formed stands as it is."""
    shown = text[:_SHOWN_CHARS]
    thoughts, rest = parse_chain(shown)
    blocks = [
        element(
            "p", element("b", thought.kind.value), element("span", thought.text), class_=f"thought {thought.kind.value}"
        )
        for thought in thoughts
    ]
    cut = f" … {len(text) - len(shown):,} more characters" if len(text) > len(shown) else ""
    tail = [element("p", element("span", rest), element("em", cut), class_="thought rest")] if rest or cut else []
    return element("div", join([*blocks, *tail]) if text else html("(empty)"), class_="chain")
