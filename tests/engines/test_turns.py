"""Whose step is next: the engine with the most to do, and nobody starves."""

import asyncio

from marco_dag.engines.turns import PATIENCE, Turns, turns_here


def test_the_engine_with_the_most_to_do_goes_first():
    turns = Turns()
    assert turns.take("generator", 100)
    assert not turns.take("critic", 8)
    assert turns.take("generator", 90)


def test_an_engine_alone_always_steps():
    turns = Turns()
    assert all(turns.take("critic", load) for load in (5, 1, 300, 2))


def test_equals_take_turns():
    turns = Turns()
    turns.take("generator", 10)
    assert turns.take("critic", 10)
    assert turns.take("generator", 10)


def test_nobody_waits_for_more_than_so_many_steps_of_others():
    turns = Turns()
    turns.take("generator", 100)
    taken = []
    for _ in range(3 * PATIENCE):
        taken.append(turns.take("critic", 1))
        turns.take("generator", 100)
    assert taken.index(True) == PATIENCE
    assert taken.count(True) == 2


def test_who_left_holds_nobody_up():
    turns = Turns()
    turns.take("generator", 100)
    turns.leave("generator")
    assert turns.take("critic", 1)


def test_each_event_loop_has_its_own():
    async def here():
        return turns_here(), turns_here()

    first, second = asyncio.run(here()), asyncio.run(here())
    assert first[0] is first[1]
    assert first[0] is not second[0]
