"""An over-thinking teacher: correct chains, and around their work the loops of self-doubt that long CoT is full of.

What a large reasoning model's distilled chains look like to a small student: the answer is there and right, and before
it the same work again and again, "Wait, alternatively…" (paper §1). Nothing new is found in a loop. A user with real
long-CoT data names it in the profile instead (`read_long_cot`).
"""

import logging
import random
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from marco_dag.curation import CurationConfig, Encode, balanced_cot
from marco_dag.errors import CurationError
from marco_dag.identity import content_id, derive_seed
from marco_dag.schemas import COT_SET, conform
from marco_dag.seeds.files import read_rows
from marco_dag.thoughts import Thought, ThoughtKind, parse_chain, render_chain

LOOPS = (1, 2, 2, 3)
"""How many loops a chain gets, each as likely."""
DOUBT = 0.6
"""Probability that a loop doubts a right answer and does the work again, rather than check it once more."""

_LOG = logging.getLogger(__name__)
_WORK = (ThoughtKind.THINKING, ThoughtKind.THINKING_FROM_SCRATCH)


def overthinking_cot(
    chains: pl.DataFrame, seeds: pl.DataFrame, encode: Encode, config: CurationConfig, *, seed: int
) -> pl.DataFrame:
    """An SFT set (schemas.COT_SET) as `balanced_cot` makes it, of the correct `chains` with loops around their work.

    The loops stand behind the last work of a chain: a double-check that copies it, and mostly a reflection that doubts
    the answer and the same work again. `seed` decides them, chain by chain. Chains without work have none. A chain that
    outgrows `max_chain_tokens` is left out.
    """
    correct = chains.filter(pl.col("correct"))
    texts = [
        _overthink(text, random.Random(derive_seed(seed, "overthinking", chain)))
        for chain, text in correct.select("chain_id", "text").iter_rows()
    ]
    looped = correct.with_columns(
        chain_id=pl.Series(
            [content_id("chain", of, text) for of, text in zip(correct["seed_id"], texts, strict=True)],
            dtype=pl.String,
        ),
        text=pl.Series(texts, dtype=pl.String),
        tokens=pl.Series([len(ids) for ids in encode(texts)], dtype=pl.Int64),
    )
    return balanced_cot(looped.unique("chain_id", keep="first", maintain_order=True), seeds, config)


def read_long_cot(file: Path, encode: Encode, config: CurationConfig) -> pl.DataFrame:
    """An SFT set (schemas.COT_SET) of the user's own prompts and completions, longest first within a prompt.

    JSONL or Parquet with `prompt` and `completion`. A row that lacks one is left out with a warning that names its
    line; so are completions over `max_chain_tokens`, unnamed. CurationError where nothing is left.
    """
    rows = []
    for row in read_rows(file, ("prompt", "completion")):
        value = row.value
        texts = [value.get(name) for name in ("prompt", "completion")] if isinstance(value, dict) else [None, None]
        if not all(isinstance(text, str) and text.strip() for text in texts):
            _LOG.warning("%s, line %s: left out: needs a prompt and a completion, both text", file, row.line)
            continue
        prompt, completion = (str(text) for text in texts)
        rows.append((content_id("prompt", prompt), prompt, completion))
    lengths = [len(ids) for ids in encode([completion for *_, completion in rows])]
    most = config.max_chain_tokens
    kept = [(*row, tokens) for row, tokens in zip(rows, lengths, strict=True) if most is None or tokens <= most]
    if not kept:
        raise CurationError(f"{file}: no row with a prompt and a completion of at most {most} tokens")
    frame = pl.DataFrame(kept, schema=["seed_id", "prompt", "completion", "tokens"], orient="row").with_columns(
        chain_id=pl.struct("seed_id", "completion").map_elements(
            lambda row: content_id("chain", row["seed_id"], row["completion"]), return_dtype=pl.String
        ),
        length_rank=pl.lit(None, dtype=pl.String),
        batch=pl.lit("long-cot"),
    )
    ordered = frame.sort("seed_id", -pl.col("tokens"), "chain_id").unique("chain_id", keep="first", maintain_order=True)
    taken = ordered.group_by("seed_id", maintain_order=True).head(config.sft_chains_per_prompt)
    return conform(taken.select(*COT_SET), "cot_set")


def _overthink(chain: str, rng: random.Random) -> str:
    thoughts, rest = parse_chain(chain)
    places = [place for place, thought in enumerate(thoughts) if thought.kind in _WORK]
    if rest or not places:
        return chain
    last = places[-1]
    before, after = thoughts[: last + 1], thoughts[last + 1 :]
    return render_chain([*before, *_loops(before[-1].text, after, rng), *after])


def _loops(work: str, after: Sequence[Thought], rng: random.Random) -> list[Thought]:
    answer = after[-1].text if after else work
    loops: list[Thought] = []
    for _ in range(rng.choice(LOOPS)):
        loops.append(Thought(ThoughtKind.DOUBLE_CHECK, f"{work} ok"))
        if rng.random() < DOUBT:
            loops.append(Thought(ThoughtKind.REFLECTION, f"Wait {answer} is wrong at step 1"))
            loops.append(Thought(ThoughtKind.THINKING, work))
    return loops
