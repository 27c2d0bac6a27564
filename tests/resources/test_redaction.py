"""Secrets in the messages of errors, as Dagster would record them: the error's own, and those of what led to it."""

import traceback

import pytest

from marco_dag.redaction import REDACTED, redact_error


@pytest.fixture(autouse=True)
def secrets(monkeypatch):
    monkeypatch.setenv("POSTGRES_PASSWORD", "planted-password")
    monkeypatch.setenv("GENERATOR", "planted-key")
    monkeypatch.setenv("HOME", "/home/planted")


def raised_with(message: str) -> Exception:
    """An error that another led to, which yet another led to, all with the same message."""
    try:
        try:
            try:
                raise KeyError(message)
            except KeyError:
                raise OSError(message) from None
        except OSError as first:
            raise ValueError(message, 7) from first
    except ValueError as error:
        return error


def test_secrets_are_replaced_in_the_whole_chain():
    error = raised_with("postgresql://marco:unheard-of@db/mlflow refused planted-password, and planted-key")
    redact_error(error, {"GENERATOR"})
    shown = "".join(traceback.format_exception(error))
    assert "unheard-of" not in shown
    assert "planted" not in shown.replace("raised_with", "")
    told = f"postgresql://{REDACTED}@db/mlflow refused {REDACTED}, and {REDACTED}"
    assert error.args == (told, 7)
    assert "raise ValueError(message, 7) from first" in shown, "the traceback is kept"


def test_a_variable_counts_where_it_is_named_like_a_secret_or_said_to_hold_one():
    error = ValueError("planted-key of /home/planted")
    redact_error(error)
    assert str(error) == "planted-key of /home/planted"
    redact_error(error, {"GENERATOR", "NO_SUCH_VARIABLE"})
    assert str(error) == f"{REDACTED} of /home/planted"


def test_errors_that_led_to_each_other_end():
    one, other = ValueError("planted-password"), ValueError("planted-password")
    one.__cause__, other.__context__ = other, one
    redact_error(one)
    assert {str(one), str(other)} == {REDACTED}
