"""MCTS decoding: equal tokens, the search in the dark, what is kept of each question."""

import json
import random

import polars as pl
import pytest

from marco_dag.engines import Request, ScriptedEngine
from marco_dag.errors import EvaluationError
from marco_dag.evaluation import decode, questions_to_decode
from marco_dag.evaluation.blind_search import finished_chains, search_without_references
from marco_dag.evaluation.config import EvaluationConfig
from marco_dag.schemas import MCTS_DECODING, SEED_PROMPTS, TABLES
from marco_dag.search import SearchConfig

SEARCH = SearchConfig(openings={}, rollouts=2, max_thought_tokens=60)
NOTHING_PUBLISHED = TABLES["benchmark_questions"].to_frame()


def write(request: Request, sample: int) -> str:
    """A whole chain, or the thought that is asked for; right (42) one time in three, wrong in many ways."""
    draw = random.Random(f"{request.seed} {sample}")
    answer = draw.choice(["42", str(draw.randrange(9)), str(draw.randrange(9))])
    if not request.stop:
        return f"<thinking>{'so ' * draw.randrange(3, 9)}</thinking><answer>{answer}</answer>"
    return (answer if request.stop[0] == "</answer>" else f"step {draw.randrange(10**6)}") + request.stop[0]


def held_out(count: int, answer: int = 42) -> pl.DataFrame:
    rows = [
        (f"q{i}", "arithmetic", f"Compute {i}+{42 - i}", json.dumps({"answer": answer}), "generated", "held_out", "x")
        for i in range(count)
    ]
    return pl.DataFrame(rows, schema=SEED_PROMPTS, orient="row")


def config_of(**decoding) -> EvaluationConfig:
    return EvaluationConfig.model_validate({"max_tokens": 100, "mcts_decoding": {"tries": [2, 6], **decoding}})


def run(folder, questions=None, config=None, writer=write, search=SEARCH) -> pl.DataFrame:
    config = config or config_of()
    asked = questions_to_decode(held_out(12) if questions is None else questions, NOTHING_PUBLISHED, config)
    who = {"checkpoint": "sft", "checkpoint_digest": "d", "seed": 0}
    return decode(ScriptedEngine(writer), asked, config, search, **who, folder=folder)


def test_a_row_for_each_question_method_and_n(tmp_path):
    decoded = run(tmp_path)
    assert decoded.schema == MCTS_DECODING
    assert decoded.group_by("tries", "method").len().sort("tries", "method").rows() == [
        (2, "mcts", 12), (2, "sampling", 12), (6, "mcts", 12), (6, "sampling", 12)
    ]  # fmt: skip
    assert set(decoded["benchmark"]) == {"arithmetic"}
    assert decoded.filter(method="sampling")["stop_reason"].null_count() == 24
    assert run(tmp_path / "again").equals(decoded)


def test_a_search_gets_the_tokens_of_n_responses(tmp_path):
    """Its last step may go over them: at most two walks' requests of two samples for each of two kinds."""
    decoded = run(tmp_path)
    paired = decoded.filter(method="mcts").join(
        decoded.filter(method="sampling"), on=["question_id", "tries"], suffix="_sampling"
    )
    over = paired["tokens"] - paired["tokens_sampling"]
    assert over.min() >= 0
    assert over.max() < 4 * 4 * 40


def test_what_an_exhausted_tree_leaves_goes_to_a_further_one(tmp_path):
    """One line of thought is all that a tree can be, so that the tokens of six responses take several trees."""
    line = SEARCH.model_copy(update={"children": 1, "max_repeats": 1, "patterns": ("a",), "max_reflections": 0})
    config = config_of(tries=[6], tokens_per_try=60)
    decoded = run(tmp_path, config=config, search=line).filter(method="mcts")
    assert decoded["answers"].min() >= 6
    assert decoded["tokens"].min() > 300
    assert len(list((tmp_path / "search-6").iterdir())) >= 6


@pytest.mark.parametrize("scored_by", ["vote", "confidence"])
def test_the_search_cannot_see_the_reference(tmp_path, scored_by):
    """With poisoned references it grows the same trees; only what is said of them afterwards differs."""
    config = config_of(scored_by=scored_by)
    decoded = run(tmp_path / "true", config=config)
    poisoned = run(tmp_path / "poisoned", held_out(12, answer=-1), config)
    for table in ("trees", "thoughts"):
        true, false = (
            pl.concat([pl.read_parquet(file) for file in sorted((tmp_path / name).rglob(f"{table}.parquet"))])
            for name in ("true", "poisoned")
        )
        drop = ["seconds"] if table == "trees" else []
        assert true.height > 100 or table == "trees"
        assert true.drop(drop).equals(false.drop(drop))
    told = ["solved", "chosen_correct"]
    assert decoded.drop(told).equals(poisoned.drop(told))
    assert decoded["solved"].sum() > 0
    assert poisoned["solved"].sum() == 0
    assert not poisoned["chosen_correct"].any()


def test_solved_is_any_answer_of_a_tree_and_any_n_of_the_samples(tmp_path):
    decoded = run(tmp_path)
    assert set(decoded.filter(method="mcts")["solved"]) <= {0.0, 1.0}
    samples = pl.read_parquet(tmp_path / "samples.parquet").group_by("question_id").agg(pl.col("correct").sum())
    right = dict(samples.iter_rows())
    for row in decoded.filter(method="sampling", tries=2).iter_rows(named=True):
        wrong = 6 - right[row["question_id"]]
        assert row["solved"] == pytest.approx(1 - wrong * (wrong - 1) / (6 * 5))
    for row in decoded.filter(method="sampling", tries=6).iter_rows(named=True):
        assert row["solved"] == float(right[row["question_id"]] > 0)


def test_the_chosen_answer_is_the_one_that_most_chains_state(tmp_path):
    config = config_of(tries=[6])
    decoded = run(tmp_path, config=config).filter(method="mcts")
    folder = tmp_path / "search-6" / "0"
    trees = dict(pl.read_parquet(folder / "trees.parquet").select("tree_id", "seed_id").iter_rows())
    answers: dict[str, list[str]] = {}
    for tree_id, chain, _ in finished_chains(pl.read_parquet(folder / "thoughts.parquet")):
        answers.setdefault(trees[tree_id], []).append(chain.rsplit("<answer>", 1)[1].removesuffix("</answer>"))
    for row in decoded.iter_rows(named=True):
        own = answers[row["question_id"]]
        assert row["answers"] == len(own)
        assert own.count(row["chosen"]) == max(own.count(answer) for answer in own)
        assert row["chosen_correct"] == (row["chosen"] == "42")
        assert row["solved"] == float("42" in own)


def test_a_killed_decoding_goes_on_where_it_was(tmp_path):
    asked = 0

    def dying(request: Request, sample: int) -> str:
        nonlocal asked
        asked += 1
        if asked > 12 * 6 + 50:
            raise KeyboardInterrupt
        return write(request, sample)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", writer=dying)
    sampled = 0

    def counting(request: Request, sample: int) -> str:
        nonlocal sampled
        sampled += not request.stop
        return write(request, sample)

    assert run(tmp_path / "killed", writer=counting).equals(run(tmp_path / "whole"))
    assert sampled == 0


def test_no_question_gives_an_empty_table(tmp_path):
    assert run(tmp_path, held_out(0)).equals(TABLES["mcts_decoding"].to_frame())
    assert run(tmp_path, config=config_of(held_out_per_task=0)).is_empty()


class TestQuestionsToDecode:
    def published(self, **row) -> pl.DataFrame:
        whole = dict.fromkeys(NOTHING_PUBLISHED.columns, "x") | {"benchmark": "GSM8K", "task": "math"} | row
        return pl.DataFrame([whole], schema=NOTHING_PUBLISHED.schema)

    def test_takes_the_first_of_each_task_and_all_of_the_named_benchmarks(self, tmp_path):
        config = EvaluationConfig.model_validate(
            {
                "benchmarks": {"GSM8K": {}, "AIME": {}},
                "mcts_decoding": {"held_out_per_task": 2, "benchmarks": ["GSM8K"]},
            }
        )
        published = self.published(question_id="g", prompts='["Two?"]', reference='[{"answer": "2"}]')
        asked = questions_to_decode(held_out(5), published, config)
        assert asked["question_id"].to_list() == ["q0", "q1", "g"]
        assert asked["benchmark"].to_list() == ["arithmetic", "arithmetic", "GSM8K"]
        assert json.loads(asked["reference"][0]) == [{"answer": 42}]

    def test_one_that_was_not_read_or_has_turns_is_an_error(self):
        config = EvaluationConfig.model_validate(
            {"benchmarks": {"GSM8K": {}}, "mcts_decoding": {"benchmarks": ["GSM8K"]}}
        )
        with pytest.raises(EvaluationError, match="GSM8K: its questions were not read yet"):
            questions_to_decode(held_out(1), NOTHING_PUBLISHED, config)
        with pytest.raises(EvaluationError, match="GSM8K: has several turns"):
            questions_to_decode(held_out(1), self.published(prompts='["One?", "Two?"]'), config)


@pytest.mark.parametrize(
    ("decoding", "message"),
    [
        ({"tries": []}, "must be numbers of at least 1"),
        ({"tries": [8, 8]}, "each greater than the one before"),
        ({"tries": [0, 8]}, "at least 1"),
        ({"benchmarks": ["GSM8K"]}, "'GSM8K' is not among benchmarks"),
    ],
)
def test_impossible_configurations_are_refused(decoding, message):
    with pytest.raises(ValueError, match=message):
        config_of(**decoding)


def test_a_wrong_field_of_the_search_is_named_with_the_profile():
    from marco_dag.errors import ProfileError
    from marco_dag.profiles import parse_profile

    changes = {"evaluation": {"mcts_decoding": {"search": {"childern": 4}}}}
    with pytest.raises(ProfileError, match=r"mcts_decoding\.search\.childern: Extra inputs"):
        parse_profile({"name": "mine", **changes}, origin="mine.yaml")


def test_nothing_but_its_tokens_ends_a_tree_unless_the_profile_says_so():
    own = config_of(search={"children": 5, "rollouts": 3}).mcts_decoding.search_config(SEARCH)
    assert (own.children, own.rollouts, own.hopeless_after, own.solved_subtree) == (5, 3, None, None)
    assert own.max_thought_tokens == SEARCH.max_thought_tokens


def test_a_search_in_a_folder_is_not_made_twice(tmp_path):
    questions = questions_to_decode(held_out(3), NOTHING_PUBLISHED, config_of())
    own = config_of().mcts_decoding.search_config(SEARCH)
    budgets = dict.fromkeys(questions["question_id"], 50.0)
    grown = [
        search_without_references(tmp_path, ScriptedEngine(writer), questions, own, 4, budgets, seed=0)
        for writer in (write, lambda *_: pytest.fail("asked again"))
    ]
    assert grown[0].thoughts.equals(grown[1].thoughts)
