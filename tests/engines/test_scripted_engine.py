"""The scripted engine obeys the rules of every engine."""

import pytest

from marco_dag.engines import Completion, Engine, ScriptedEngine


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Completion("one</a>two", 11, "stop")),
        ({"stop": ("</a>",)}, Completion("one", 7, "stop", "</a>")),
        ({"stop": ("two", "</a>")}, Completion("one", 7, "stop", "</a>")),
        ({"max_tokens": 2}, Completion("on", 2, "length")),
        ({"stop": ("</a>",), "max_tokens": 5}, Completion("one", 5, "length")),
    ],
)
def test_the_script_is_cut_as_a_model_would_be(fields, expected, ask, complete):
    engine = ScriptedEngine(lambda _request, _sample: "one</a>two")
    assert complete(engine, [ask("x", **fields)]) == [[expected]]


def test_each_sample_is_written_on_its_own(ask, complete):
    engine = ScriptedEngine(lambda request, sample: f"{request.seed}.{sample}")
    assert isinstance(engine, Engine)
    assert [c.text for c in complete(engine, [ask("x", n=3, seed=5)])[0]] == ["5.0", "5.1", "5.2"]
