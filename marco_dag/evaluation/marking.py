"""From a response to its row of the scores: the verdict, and the measures of its text."""

from marco_dag.engines.protocol import Completion
from marco_dag.evaluation.conversations import Conversation
from marco_dag.evaluation.measures import reflections, repetition
from marco_dag.identity import JsonValue, canonical_json
from marco_dag.tasks.ifeval import IfEvalTask, judge


def mark(conversation: Conversation, turn: int, completion: Completion) -> dict[str, object]:
    """The row (schemas.SCORES, without its checkpoint) of the response to a 0-based turn of a conversation."""
    reference = conversation.references[turn]
    verdict = conversation.task.verify(completion.text, reference)
    details: dict[str, JsonValue] = {}
    if isinstance(conversation.task, IfEvalTask):
        judged = judge(completion.text, reference)
        details |= {"strict": list(judged.strict), "loose": list(judged.loose)}
    if conversation.language is not None:
        details["language"] = conversation.language
    return {
        "benchmark": conversation.benchmark,
        "question_id": conversation.question_id,
        "decoding": conversation.decoding,
        "sample": conversation.sample,
        "turn": turn + 1,
        "correct": verdict.outcome == "correct",
        "answered": verdict.outcome != "no_answer",
        "clipped": completion.finish_reason == "length",
        "tokens": completion.tokens,
        "repetition": repetition(completion.text),
        "reflections": reflections(completion.text),
        "verdict": verdict.reason,
        "answer": verdict.answer,
        "details": canonical_json(details) if details else None,
        "response": completion.text,
    }
