import asyncio

import polars as pl
import pytest

from marco_dag import schemas
from marco_dag.engines import ScriptedEngine
from marco_dag.engines.protocol import Completion
from marco_dag.errors import EngineError, EvaluationError
from marco_dag.evaluation import answer_questions, ask_questions
from marco_dag.evaluation.config import EvaluationConfig
from marco_dag.identity import canonical_json, derive_seed

CONFIG = EvaluationConfig(max_tokens=200, temperature=0.8, top_p=0.9, samples=2)
KEYS = {"checkpoint": "sft", "checkpoint_digest": "0123", "seed": 7}


def question(seed_id, task, prompt, reference):
    return {
        "seed_id": seed_id,
        "task": task,
        "prompt": prompt,
        "reference": canonical_json(reference),
        "source": "generated",
        "split": "held_out",
        "batch": "generated",
    }


QUESTIONS = schemas.conform(
    pl.DataFrame(
        [
            question("seed-b", "letters", "How many a in banana?", {"word": "banana", "letter": "a"}),
            question("seed-a", "arithmetic", "Compute 20+22", {"answer": 42}),
        ]
    ),
    "held_out_questions",
)


def scores(write, questions=QUESTIONS, config=CONFIG, **keys):
    return answer_questions(ScriptedEngine(write), questions, config, **KEYS | keys)


def test_every_question_is_answered_greedily_once_and_sampled_as_often_as_asked():
    table = scores(lambda *_: "<answer>3</answer>")
    assert table.schema == schemas.SCORES
    assert table.select("question_id", "decoding", "sample").rows() == [
        (question, decoding, sample)
        for question in ("seed-b", "seed-a")
        for decoding, sample in (("greedy", 0), ("sampled", 0), ("sampled", 1))
    ]
    assert table["benchmark"].to_list() == ["letters"] * 3 + ["arithmetic"] * 3
    assert table["checkpoint"].unique().to_list() == ["sft"]
    assert table["checkpoint_digest"].unique().to_list() == ["0123"]


def test_an_answer_is_correct_wrong_or_missing_by_the_tasks_own_verifier():
    def write(request, _):
        if "banana" in request.messages[-1].content:
            return "<thinking>b0a1n1a2n2a3</thinking><answer>3</answer>"
        return "<answer>41</answer>" if request.temperature == 0 else "<thinking>so 42"

    table = scores(write)
    assert table["correct"].to_list() == [True, True, True, False, False, False]
    assert table["answered"].to_list() == [True, True, True, True, False, False]
    assert table["verdict"].to_list()[3:] == ["expected 42, found '41'", *["no closed answer block"] * 2]
    assert table["response"][0] == "<thinking>b0a1n1a2n2a3</thinking><answer>3</answer>"


def test_a_response_cut_at_the_limit_is_clipped_and_measured():
    table = scores(lambda *_: "Wait, a1 " * 100, config=CONFIG.model_copy(update={"samples": 1}))
    assert table["clipped"].all()
    assert table["tokens"].to_list() == [200] * 4
    # 200 characters hold 22 whole "Wait, a1 " (4 words each) and "Wa": 89 words, 70 20-grams, of which the last is new
    assert table["repetition"].to_list() == pytest.approx([1 - 5 / 70] * 4)
    assert table["reflections"].to_list() == [22] * 4


def test_sampled_requests_follow_the_config_and_greedy_ones_do_not():
    seen = []
    scores(lambda request, _: seen.append(request) or "", questions=QUESTIONS.head(1))
    greedy, *sampled = seen
    assert (greedy.temperature, greedy.max_tokens) == (0, 200)
    assert [(r.temperature, r.top_p, r.max_tokens) for r in sampled] == [(0.8, 0.9, 200)] * 2
    assert [r.seed for r in sampled] == [derive_seed(7, "seed-b", sample) for sample in (0, 1)]
    assert {r.messages[-1].content for r in seen} == {"How many a in banana?"}


def test_every_checkpoint_gets_the_same_seeds():
    def seeds_of(checkpoint):
        seen = []
        scores(lambda request, _: seen.append(request.seed) or "", checkpoint=checkpoint, checkpoint_digest=checkpoint)
        return seen

    assert seeds_of("base") == seeds_of("full")


def test_all_requests_are_in_flight_at_once():
    class GatheringEngine(ScriptedEngine):
        """Answers no request before every request is there."""

        def __init__(self, requests):
            super().__init__(lambda *_: "")
            self._all_here = asyncio.Barrier(requests)

        async def complete(self, request):
            await self._all_here.wait()
            return [Completion("<answer>3</answer>", 4, "stop")]

    async def ask():
        async with asyncio.timeout(10):
            return await ask_questions(GatheringEngine(6), QUESTIONS, CONFIG, **KEYS)

    assert asyncio.run(ask()).height == 6


def test_no_questions_give_an_empty_table():
    table = scores(lambda *_: "", questions=QUESTIONS.clear())
    assert table.is_empty()
    assert table.schema == schemas.SCORES


def test_an_engine_that_fails_is_an_error_that_names_checkpoint_and_question():
    def write(request, _):
        if "Compute" in request.messages[-1].content:
            raise EngineError("prompt of 9,000 tokens is longer than the model's 8,192")
        return ""

    with pytest.raises(EvaluationError, match="checkpoint sft, question seed-a: prompt of 9,000 tokens"):
        scores(write)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "chess"}, "question seed-a: unknown task 'chess'"),
        ({"reference": "{"}, "question seed-a: "),
        ({"reference": '{"answer": "many"}'}, "question seed-a: answer: must be an integer"),
        ({"seed_id": "seed-b"}, "question seed-b: stands more than once"),
    ],
)
def test_a_bad_question_is_an_error_before_anything_is_asked(change, message):
    def write(request, _):
        raise AssertionError("asked")

    bad = pl.DataFrame([QUESTIONS.row(0, named=True), QUESTIONS.row(1, named=True) | change])
    with pytest.raises(EvaluationError, match=message):
        scores(write, questions=bad)
