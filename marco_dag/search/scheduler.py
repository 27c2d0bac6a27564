"""Grows the trees of a search, block after block, as many at once as the engines bear.

A tree that is slow, hard or failing holds up nobody but the block it belongs to. It knows how trees are begun, resumed
and put away; how one grows is `marco_dag.search.strategies`' business.
"""

import asyncio
from dataclasses import dataclass, field

from marco_dag.engines.protocol import RoleEngines
from marco_dag.search.admission import Admission, Seat
from marco_dag.search.config import SearchConfig
from marco_dag.search.folder import SearchFolder
from marco_dag.search.journal import Journal
from marco_dag.search.journaled_calls import JournaledCalls
from marco_dag.search.planting import Planter
from marco_dag.search.records import TreeEnd
from marco_dag.search.seed_rows import SeedRows
from marco_dag.search.strategies import TreeSearch, make_search
from marco_dag.search.tables import TreeRows, rows_of, to_forest
from marco_dag.search.tally import Tally


@dataclass(slots=True)
class _Block:
    """Trees that are put away together."""

    number: int
    trees: range
    journal: Journal
    grown: dict[int, TreeRows] = field(default_factory=dict)


class Scheduler:
    """One search on its way."""

    def __init__(
        self,
        rows: SeedRows,
        planter: Planter,
        engines: RoleEngines,
        config: SearchConfig,
        folder: SearchFolder,
        tally: Tally,
    ) -> None:
        self._rows = rows
        self._planter = planter
        self._engines = engines
        self._config = config
        self._folder = folder
        self._tally = tally
        self._admission = Admission(engines, config.live_sequences)

    async def run(self) -> None:
        """Grow what is not grown yet; the first error that is not one tree's own ends all of it."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._folder.blocks):
                    if not self._folder.is_finished(number):
                        await self._begin_block(number, group)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _begin_block(self, number: int, group: asyncio.TaskGroup) -> None:
        block = _Block(number, self._folder.trees_of(number), self._folder.open_journal(number))
        for index in block.trees:
            await self._admission.wait_for_room()
            group.create_task(self._grow(index, block))
            await asyncio.sleep(0)  # it takes its seat before the next one looks for room

    async def _grow(self, index: int, block: _Block) -> None:
        row = self._rows.read(index)
        planted = self._planter.plant(row)
        tree_id = planted.tree.tree_id
        seat = Seat(self._admission)
        calls = JournaledCalls(
            tree_id,
            self._engines,
            row.task,
            row.reference,
            journal=block.journal,
            seat=seat,
            on_sampled=lambda tokens: self._tally.sampled(tokens, self._admission.live),
        )
        search = make_search(
            planted.tree,
            planted.pattern,
            planted.writer,
            calls,
            self._config,
            planted.rng,
            max_tokens=planted.max_tokens,
        )
        try:
            await search.grow()
        finally:
            seat.free()
        self._end(search, block.journal)
        block.grown[index] = rows_of(search, row.seed_id, row.batch, row.task.name)
        self._tally.tree_done(search)
        if len(block.grown) == len(block.trees):
            await asyncio.to_thread(self._put_away, block)

    @staticmethod
    def _end(search: TreeSearch, journal: Journal) -> None:
        """Write down how the tree came out; one that ended before the search was resumed took the time it took then."""
        tree_id = search.tree.tree_id
        if (before := journal.ended(tree_id)) is not None:
            search.seconds = before.seconds
            return
        end = TreeEnd(search.correct, search.wrong, search.tokens, search.seconds, search.stop_reason)
        journal.append_end(tree_id, end)

    def _put_away(self, block: _Block) -> None:
        self._folder.finish(block.number, to_forest(block.grown[index] for index in block.trees))
        block.grown.clear()
