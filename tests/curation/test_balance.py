"""Thoughts length balance: what the SFT set takes."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag import schemas
from marco_dag.curation import CurationConfig, balanced_cot
from marco_dag.errors import CurationError
from marco_dag.schemas import conform


def chain_rows(lengths_by_seed: dict[str, list[int]], *, correct: bool = True) -> list[dict]:
    return [
        {
            "chain_id": f"{seed_id}/{number:02}{'' if correct else '-wrong'}", "tree_id": f"tree of {seed_id}",
            "leaf_id": f"leaf {number}", "seed_id": seed_id, "text": f"text {number} of {length}", "tokens": length,
            "correct": correct, "truncated": False, "reflections": 0, "length_rank": "medium" if correct else None,
            "batch": "generated",
        }
        for seed_id, lengths in lengths_by_seed.items()
        for number, length in enumerate(lengths)
    ]  # fmt: skip


def seeds_of(*seed_ids: str) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "seed_id": seed_id, "task": "letters", "prompt": f"question of {seed_id}", "reference": "{}",
                "source": "generated", "split": "train", "batch": "generated",
            }
            for seed_id in seed_ids
        ],
        schema=schemas.SEED_PROMPTS,
    )  # fmt: skip


def frame(rows: list[dict]) -> pl.DataFrame:
    return conform(pl.DataFrame(rows, infer_schema_length=None), "chains")


LENGTHS = [40, 10, 30, 20, 50]


@pytest.mark.parametrize(
    ("rank", "taken"),
    [("longest", [50, 40, 30]), ("shortest", [10, 20, 30]), ("medium", [30, 20, 40])],
)
def test_the_wanted_length_is_taken_first(rank, taken):
    config = CurationConfig(sft_rank=rank, sft_chains_per_prompt=3)
    assert balanced_cot(frame(chain_rows({"s": LENGTHS})), seeds_of("s"), config)["tokens"].to_list() == taken


def test_the_median_is_that_of_the_chains_within_the_limit():
    config = CurationConfig(sft_rank="medium", sft_chains_per_prompt=1, max_chain_tokens=30)
    assert balanced_cot(frame(chain_rows({"s": LENGTHS})), seeds_of("s"), config)["tokens"].to_list() == [20]


def test_rows_say_what_was_asked_and_what_was_answered():
    (row,) = balanced_cot(frame(chain_rows({"s": [5]})), seeds_of("s"), CurationConfig()).iter_rows(named=True)
    assert (row["prompt"], row["completion"]) == ("question of s", "text 0 of 5")
    assert (row["chain_id"], row["length_rank"], row["batch"]) == ("s/00", "medium", "generated")


def test_wrong_and_cut_chains_are_never_taken():
    rows = chain_rows({"s": [5, 6]}, correct=False) + chain_rows({"s": [7]})
    rows[-1]["truncated"] = True
    assert balanced_cot(frame(rows), seeds_of("s"), CurationConfig()).is_empty()


def test_an_unknown_prompt_is_named():
    with pytest.raises(CurationError, match=r"1 rows.*stranger"):
        balanced_cot(frame(chain_rows({"stranger": [5]})), seeds_of("s"), CurationConfig())


def test_nothing_in_nothing_out():
    empty = balanced_cot(pl.DataFrame(), pl.DataFrame(), CurationConfig())
    assert empty.is_empty()
    assert empty.schema == schemas.COT_SET


@given(
    lengths=st.dictionaries(
        st.sampled_from(["s1", "s2", "s3"]), st.lists(st.integers(1, 60), min_size=1, max_size=9), min_size=1
    ),
    rank=st.sampled_from(["shortest", "medium", "longest"]),
    most=st.integers(1, 5),
    limit=st.none() | st.integers(1, 60),
    order=st.randoms(use_true_random=False),
)
def test_every_prompt_gives_as_many_as_it_may_and_never_one_it_may_not(lengths, rank, most, limit, order):
    rows = chain_rows(lengths)
    config = CurationConfig(sft_rank=rank, sft_chains_per_prompt=most, max_chain_tokens=limit)
    cot = balanced_cot(frame(rows), seeds_of(*lengths), config)

    for seed_id, own in lengths.items():
        allowed = [length for length in own if limit is None or length <= limit]
        taken = cot.filter(seed_id=seed_id)["tokens"].to_list()
        assert len(taken) == min(most, len(allowed))
        if rank == "longest":
            assert taken == sorted(allowed, reverse=True)[:most]
        if rank == "shortest":
            assert taken == sorted(allowed)[:most]
    assert cot["chain_id"].is_unique().all()

    order.shuffle(rows)
    assert balanced_cot(frame(rows), seeds_of(*reversed(lengths)), config).equals(cot)
