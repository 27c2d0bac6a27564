"""The over-thinking teacher: right chains with loops around their work, and a user's own long CoT."""

import json

import polars as pl
import pytest

from marco_dag.curation import CurationConfig
from marco_dag.errors import CurationError
from marco_dag.schemas import CHAINS, COT_SET, SEED_PROMPTS
from marco_dag.study.overthinking import overthinking_cot, read_long_cot
from marco_dag.thoughts import ThoughtKind, extract_answer, parse_chain

WORKED = "<sub-task>count</sub-task><thinking>a b a</thinking><answer>2</answer>"


def encode(texts):
    return [[ord(letter) for letter in text] for text in texts]


def chains(*texts: str) -> pl.DataFrame:
    rows = [
        dict.fromkeys(CHAINS)
        | {"chain_id": f"c{n}", "tree_id": "t", "seed_id": "s", "text": text, "tokens": len(text)}
        | {"correct": n != 9, "truncated": False, "reflections": 0, "batch": "generated"}
        for n, text in enumerate(texts)
    ]
    return pl.DataFrame(rows, schema=CHAINS)


SEEDS = pl.DataFrame([dict.fromkeys(SEED_PROMPTS) | {"seed_id": "s", "prompt": "how many"}], schema=SEED_PROMPTS)


def overthought(*texts: str, seed: int = 0, **settings: object) -> list[str]:
    rows = overthinking_cot(chains(*texts), SEEDS, encode, CurationConfig(**settings), seed=seed)
    assert rows.schema == COT_SET
    assert rows["tokens"].to_list() == [len(text) for text in rows["completion"]]
    return rows["completion"].to_list()


@pytest.mark.parametrize("seed", range(20))
def test_the_answer_stays_and_the_work_is_done_again_and_again(seed):
    [text] = overthought(WORKED, seed=seed)
    thoughts, rest = parse_chain(text)
    assert rest == ""
    assert extract_answer(text) == "2"
    kinds = [thought.kind for thought in thoughts]
    assert kinds[:2] == [ThoughtKind.SUB_TASK, ThoughtKind.THINKING]
    assert kinds[-1] is ThoughtKind.ANSWER
    loops = kinds[2:-1]
    assert 1 <= loops.count(ThoughtKind.DOUBLE_CHECK) <= 3
    assert loops.count(ThoughtKind.REFLECTION) == loops.count(ThoughtKind.THINKING)
    assert {thought.text for thought in thoughts if thought.kind is ThoughtKind.THINKING} == {"a b a"}


def test_the_seed_decides_the_loops():
    drawn = {overthought(WORKED, seed=seed)[0] for seed in range(20)}
    assert len(drawn) > 3
    assert overthought(WORKED, seed=3) == overthought(WORKED, seed=3)


def test_a_chain_without_work_has_no_loop():
    bare = "<answer>2</answer>"
    assert overthought(bare) == [bare]


def test_a_chain_that_outgrows_the_limit_is_left_out():
    assert overthought(WORKED, "<answer>2</answer>", max_chain_tokens=len(WORKED)) == ["<answer>2</answer>"]


class TestUsersFile:
    def write(self, path, *rows) -> None:
        path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))

    def test_gives_an_sft_set_of_its_own_prompts(self, tmp_path):
        file = tmp_path / "long.jsonl"
        self.write(file, *({"prompt": f"p{n}", "completion": "word " * (n + 1)} for n in range(3)))
        rows = read_long_cot(file, encode, CurationConfig(max_chain_tokens=10))
        assert rows.schema == COT_SET
        assert set(rows["prompt"]) == {"p0", "p1"}
        assert rows["chain_id"].n_unique() == 2

    def test_takes_so_many_of_a_prompt_the_longest_first(self, tmp_path):
        file = tmp_path / "long.jsonl"
        self.write(file, *({"prompt": "p", "completion": "x" * n} for n in (3, 5, 4, 5)))
        rows = read_long_cot(file, encode, CurationConfig(sft_chains_per_prompt=2))
        assert rows["completion"].to_list() == ["xxxxx", "xxxx"]

    def test_bad_rows_are_named_and_the_rest_is_kept(self, tmp_path, caplog):
        file = tmp_path / "long.jsonl"
        good = {"prompt": "p", "completion": "c"}
        self.write(file, {"prompt": "p"}, good, "not json", {"prompt": 3, "completion": "c"}, {**good, "prompt": " "})
        assert read_long_cot(file, encode, CurationConfig()).height == 1
        assert [f"line {n}:" in caplog.text for n in (1, 2, 3, 4, 5)] == [True, False, True, True, True]

    def test_nothing_left_is_an_error(self, tmp_path):
        file = tmp_path / "long.jsonl"
        self.write(file, {"prompt": "p", "completion": "too long"})
        with pytest.raises(CurationError, match=r"long\.jsonl: no row .* of at most 3 tokens"):
            read_long_cot(file, encode, CurationConfig(max_chain_tokens=3))
