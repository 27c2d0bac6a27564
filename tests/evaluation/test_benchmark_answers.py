"""Published questions, asked as their procedure says: turn by turn, each response marked and kept."""

import json

import polars as pl
import pytest

from marco_dag import schemas
from marco_dag.engines import ScriptedEngine
from marco_dag.errors import EngineError, EngineUnavailableError, EvaluationError
from marco_dag.evaluation import Procedure, answer_benchmarks, instruction_scores, summarize
from marco_dag.identity import canonical_json, derive_seed

KEYS = {"checkpoint": "sft", "checkpoint_digest": "0123", "seed": 7}
NO_COMMA = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}], "language": "zh"}
LOWER = {
    "instruction_id_list": ["punctuation:no_comma", "change_case:english_lowercase"],
    "kwargs": [{}, {}],
    "language": "zh",
}


def question(question_id, benchmark, task, prompts, references, language=None):
    return {
        "question_id": question_id,
        "benchmark": benchmark,
        "task": task,
        "key": None,
        "language": language,
        "question": "\n\n".join(prompts),
        "prompts": canonical_json(prompts),
        "reference": canonical_json(references),
        "source": "test.jsonl",
    }


QUESTIONS = schemas.conform(
    pl.DataFrame(
        [
            question("q-math", "GSM8K", "math", ["Two and two?"], [{"answer": "4"}]),
            question("q-turns", "Multi-IF", "ifeval", ["no commas", "in lower case"], [NO_COMMA, LOWER], "zh"),
        ]
    ),
    "benchmark_questions",
)
GREEDY = {"GSM8K": Procedure(max_tokens=100), "Multi-IF": Procedure(max_tokens=50)}


def scores(write, questions=QUESTIONS, procedures=GREEDY, **keys):
    return answer_benchmarks(ScriptedEngine(write), questions, procedures, **KEYS | keys)


def script(replies):
    return lambda request, _: replies[request.messages[-1].content]


REPLIES = {"Two and two?": r"It is \boxed{4}", "no commas": "Fine by me", "in lower case": "Not, me"}


def test_each_turn_of_each_conversation_is_a_row():
    table = scores(script(REPLIES))
    assert table.schema == schemas.SCORES
    assert table.select("benchmark", "question_id", "decoding", "sample", "turn").rows() == [
        ("GSM8K", "q-math", "greedy", 0, 1),
        ("Multi-IF", "q-turns", "greedy", 0, 1),
        ("Multi-IF", "q-turns", "greedy", 0, 2),
    ]
    assert table["correct"].to_list() == [True, True, False]
    assert table["answer"][0] == "4"
    assert table["response"].to_list() == list(REPLIES.values())


def test_a_turn_sees_the_turns_before_it_and_the_models_own_replies():
    seen = []
    scores(lambda request, _: seen.append(request) or REPLIES[request.messages[-1].content])
    [second] = [request for request in seen if len(request.messages) > 1]
    assert [(message.role, message.content) for message in second.messages] == [
        ("user", "no commas"),
        ("assistant", "Fine by me"),
        ("user", "in lower case"),
    ]


def test_each_instruction_of_each_turn_is_kept_strict_and_loose():
    table = scores(script(REPLIES)).filter(benchmark="Multi-IF")
    first, second = map(json.loads, table["details"])
    assert first == {"strict": [True], "loose": [True], "language": "zh"}
    assert second == {"strict": [False, False], "loose": [False, False], "language": "zh"}
    summed = instruction_scores(table, 0.95)
    assert summed.select("languages", "turn", "mean").rows() == [("zh", None, 0.5), ("zh", 1, 1.0), ("zh", 2, 0.0)]


def test_a_benchmark_is_asked_greedily_or_sampled_as_its_procedure_says():
    sampled = Procedure(greedy=False, samples=3, temperature=0.6, top_p=0.95, max_tokens=70)
    seen = []
    table = scores(
        lambda request, _: seen.append(request) or REPLIES[request.messages[-1].content],
        procedures={"GSM8K": sampled, "Multi-IF": sampled},
    )
    assert set(table["decoding"]) == {"sampled"}
    assert {(request.temperature, request.top_p, request.max_tokens) for request in seen} == {(0.6, 0.95, 70)}
    assert [r.seed for r in seen if "Two" in r.messages[0].content] == [derive_seed(7, "q-math", s) for s in range(3)]
    assert len({request.seed for request in seen}) == len(seen) == 9  # a turn has a seed of its own


def test_a_history_that_outgrows_the_context_is_no_answer_and_not_the_end():
    def write(request, _):
        if len(request.messages) > 1:
            raise EngineError("a prompt of 9,000 tokens does not fit the model's context of 8,192")
        return REPLIES[request.messages[-1].content]

    table = scores(write)
    assert table["response"].to_list() == [*list(REPLIES.values())[:2], ""]
    assert table["clipped"].to_list() == [False, False, True]
    assert table["answered"].to_list()[-1] is False


@pytest.mark.parametrize(
    ("error", "words"), [(EngineError("too long"), "too long"), (EngineUnavailableError("gone"), "gone")]
)
def test_an_engine_that_fails_is_an_error_that_names_checkpoint_and_question(error, words):
    def write(request, _):
        if "Two" in request.messages[0].content:
            raise error
        return ""

    with pytest.raises(EvaluationError, match=f"checkpoint sft, question q-math: {words}"):
        scores(write)


def test_a_server_that_goes_between_two_turns_is_an_error():
    def write(request, _):
        if len(request.messages) > 1:
            raise EngineUnavailableError("gone")
        return ""

    with pytest.raises(EvaluationError, match="question q-turns: gone"):
        scores(write)


def test_a_benchmark_without_a_procedure_is_an_error_before_anything_is_asked():
    with pytest.raises(EvaluationError, match="no procedure for benchmark 'Multi-IF'; given: GSM8K"):
        scores(lambda *_: pytest.fail("asked"), procedures={"GSM8K": Procedure()})


def test_answers_that_are_too_odd_to_be_checked_are_counted():
    answers = [r"\boxed{" + "1+" * 2000 + "1}", r"\boxed{5}", "I do not know", r"\boxed{4}"]
    procedure = Procedure(greedy=False, samples=4, max_tokens=10_000)
    order = iter(answers)
    table = scores(lambda *_: next(order), questions=QUESTIONS.head(1), procedures={"GSM8K": procedure})
    assert "too many for an answer" in table["verdict"][0]
    row = summarize(table, 0.95).filter(benchmark="GSM8K").row(0, named=True)
    assert (row["odd"], row["no_answer"], row["accuracy"]) == (1, 0.25, 0.25)
