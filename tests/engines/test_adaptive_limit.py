"""How many completions a server is given at once: found out by trying, on servers whose speed is known."""

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable

import pytest

from marco_dag.engines.adaptive_limit import START, AdaptiveLimit

TOKENS = 20
"""A completion's."""


def serve(
    rate: Callable[[int], float], *, most: int = 512, completions: int = 20_000, asking: int = 1000
) -> AdaptiveLimit:
    """A limit that has seen a server of `rate(live)` tokens/s, which `asking` callers ask again and again."""
    now = [0.0]
    limit = AdaptiveLimit(most, clock=lambda: now[0])
    draw = random.Random(0)
    numbers = itertools.count()
    live: list[tuple[float, int, asyncio.Future[None]]] = []
    """When the server, by tokens that each live completion got, will be done with it."""

    async def ask() -> None:
        while True:
            await limit.enter(1)
            tokens, done = draw.randint(TOKENS // 2, TOKENS * 3 // 2), asyncio.get_running_loop().create_future()
            heapq.heappush(live, (served[0] + tokens, next(numbers), done))
            await done
            limit.leave(1, tokens)

    served = [0.0]

    async def run() -> None:
        callers = [asyncio.create_task(ask()) for _ in range(asking)]
        for _ in range(completions):
            for _ in range(3):
                await asyncio.sleep(0)
            until, _, done = heapq.heappop(live)
            now[0] += (until - served[0]) * (len(live) + 1) / rate(len(live) + 1)
            served[0] = until
            done.set_result(None)
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)

    asyncio.run(run())
    return limit


def peak_at(best: int) -> Callable[[int], float]:
    """Grows with the load up to `best`, and falls to a third of that at twice as many, as vLLM does on two cores."""
    return lambda live: 1000.0 * (live if live <= best else max(best / 4, best - (live - best) * 2 / 3))


@pytest.mark.parametrize("best", [16, 64, 128])
def test_finds_where_a_server_is_fastest(best: int) -> None:
    limit = serve(peak_at(best))
    assert peak_at(best)(limit.best) >= 0.65 * peak_at(best)(best)


def test_goes_as_far_as_allowed_where_more_is_always_better() -> None:
    assert serve(lambda live: 10.0 * live, most=200).best == 200


def test_does_not_run_away_where_the_load_makes_no_difference() -> None:
    assert START / 4 <= serve(lambda _: 1000.0).best <= START * 8


def test_takes_no_more_than_a_server_makes_use_of() -> None:
    limit = serve(lambda live: 1000.0 * min(live, 64))
    assert 45 <= limit.best <= 91


def test_one_slow_moment_does_not_end_the_climb() -> None:
    """Every other of the first windows runs at a third of the server's speed."""
    calls = itertools.count()
    slow_until = 32 * 3 + 64 * 3
    limit = serve(lambda live: 10.0 * live * (1 / 3 if 32 * 3 < next(calls) < slow_until else 1))
    assert limit.best == 512


def test_learns_nothing_while_too_little_is_asked() -> None:
    limit = serve(lambda live: 10.0 * live, asking=8, completions=2000)
    assert limit.limit == START


def test_a_server_with_too_much_to_do_is_given_less_once_for_all_its_complaints() -> None:
    now = [0.0]
    limit = AdaptiveLimit(512, clock=lambda: now[0])
    for _ in range(20):
        limit.shrink()
    assert limit.limit == round(START / 2**0.5)
    now[0] = 2.0
    limit.shrink()
    assert limit.limit == START / 2
    for moment in range(100):
        now[0] = 4.0 + 2 * moment
        limit.shrink()
    assert limit.limit == 1


def test_first_come_first_served_and_a_large_call_goes_alone() -> None:
    async def run() -> list[str]:
        limit, order = AdaptiveLimit(4), []

        async def ask(name: str, completions: int) -> None:
            await limit.enter(completions)
            order.append(name)
            await asyncio.sleep(0.001)
            limit.leave(completions, 1)

        calls = [ask("a", 3), ask("b", 9), ask("c", 1), ask("d", 1)]
        await asyncio.gather(*calls)
        return order

    assert asyncio.run(run()) == ["a", "b", "c", "d"]


def test_who_gives_up_waiting_takes_no_room() -> None:
    async def run() -> None:
        limit = AdaptiveLimit(2)
        await limit.enter(2)
        waiting, let_in = [asyncio.create_task(limit.enter(1)) for _ in range(2)]
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        limit.leave(2, 1)
        let_in.cancel()  # in the very turn in which it was let in
        await asyncio.wait([let_in])
        await asyncio.wait_for(limit.enter(2), 1)

    asyncio.run(run())


def test_when_the_first_in_line_gives_up_the_next_is_let_in() -> None:
    async def run() -> None:
        limit = AdaptiveLimit(4)
        await limit.enter(2)
        large, small = asyncio.create_task(limit.enter(4)), asyncio.create_task(limit.enter(2))
        await asyncio.sleep(0)
        large.cancel()
        await asyncio.wait_for(small, 1)

    asyncio.run(run())
