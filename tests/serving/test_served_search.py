"""A served checkpoint as an engine of ours: what a search asks of a server, this one answers."""

import asyncio

import polars as pl
from polars.testing import assert_frame_equal

from marco_dag.engines import Message, Request, ServerConfig, complete_all
from marco_dag.engines.connecting import connect
from marco_dag.search import THOUGHTS_FILE, TREES_FILE, SearchConfig, search_into
from marco_dag.seeds import SeedsConfig, generated_seeds

CONFIG = SearchConfig(
    rollouts=4, max_depth=4, max_thought_tokens=6, openings={}, instructions="", temperature=1.0, top_p=1.0, children=2
)


def completed(engine, requests):
    async def run():
        try:
            for request in requests:
                await engine.check(request)
            return await complete_all(engine, requests)
        finally:
            await engine.close()

    return asyncio.run(run())


def requests():
    return [
        Request(
            (Message("user", f"How many {n}?"),),
            "<thinking>so",
            ("</thinking>", "e"),
            n=n % 3 + 1,
            max_tokens=20,
            seed=n,
        )
        for n in range(12)
    ]


def test_completions_by_the_server_engine_are_those_of_the_model_in_this_process(url, checkpoint, load):
    served = connect(checkpoint, ServerConfig(kind="server", urls=(url,)))
    assert served.model_digest == load().model_digest
    assert completed(served, requests()) == completed(load(), requests())


def test_greedy_samples_too(url, checkpoint, load):
    served = connect(checkpoint, ServerConfig(kind="server", urls=(url,), model="tiny"))
    asked = [Request((Message("user", "now"),), n=2, temperature=0, max_tokens=30)]
    assert completed(served, asked) == completed(load(), asked)


def test_a_search_over_the_server_grows_the_trees_of_one_in_this_process(url, checkpoint, load, tmp_path):
    seeds = generated_seeds(SeedsConfig(tasks=("letters",), generated_per_task=3), seed=0, batch="generated")

    def grown(folder, engine):
        search_into(folder, seeds, {"generator": engine, "critic": engine}, CONFIG, seed=0)
        trees = pl.read_parquet(folder / TREES_FILE).drop("seconds")
        return trees, pl.read_parquet(folder / THOUGHTS_FILE)

    here = grown(tmp_path / "here", load())
    there = grown(tmp_path / "there", connect(checkpoint, ServerConfig(kind="server", urls=(url,))))
    assert here[1].height > 0
    for ours, theirs in zip(here, there, strict=True):
        assert_frame_equal(ours, theirs)
