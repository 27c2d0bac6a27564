"""The line of waiting calls: first come, first served, and whoever leaves is not counted any more."""

from marco_dag.engines import Message, Request
from marco_dag.engines.waiting import Call, WaitingLine


def call_of(n):
    return Call(Request((Message("user", "x"),), n=n), [1], 1, future=None)


def test_calls_are_taken_in_order_as_far_as_they_fit():
    line = WaitingLine()
    calls = [call_of(n) for n in (2, 3, 4, 1)]
    for call in calls:
        line.join(call)
    assert line.samples == 10
    assert line.take(6) == calls[:2]  # the small last one does not overtake
    assert line.samples == 5
    assert not line.fits(3)
    assert line.take(9) == calls[2:]
    assert not line


def test_a_call_withdraws_from_anywhere_and_only_once():
    line = WaitingLine()
    calls = [call_of(2) for _ in range(3)]
    for call in calls:
        line.join(call)
    line.withdraw(calls[1])
    line.withdraw(calls[1])
    assert line.samples == 4
    assert line.take(100) == [calls[0], calls[2]]
    line.withdraw(calls[0])
    assert line.samples == 0
