"""From the source of a benchmark to its questions as they are asked; rows that cannot be asked are quarantined."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from marco_dag.errors import EvaluationError
from marco_dag.evaluation.benchmarks.config import BenchmarkConfig
from marco_dag.evaluation.benchmarks.files import Line, lines
from marco_dag.evaluation.benchmarks.hub import hub_lines
from marco_dag.evaluation.benchmarks.protocol import Benchmark, Item, RowError
from marco_dag.identity import canonical_json, content_id
from marco_dag.schemas import BENCHMARK_QUARANTINE, BENCHMARK_QUESTIONS
from marco_dag.tasks import get_task

_RAW_CHARS = 2000


@dataclass(frozen=True, slots=True)
class LoadedBenchmark:
    """What a benchmark's source gave."""

    questions: pl.DataFrame
    """The good rows, in the source's order (schemas.BENCHMARK_QUESTIONS)."""
    quarantine: pl.DataFrame
    """The bad rows, in the source's order (schemas.BENCHMARK_QUARANTINE)."""


def load_benchmark(name: str, config: BenchmarkConfig, *, root: Path) -> LoadedBenchmark:
    """The questions of the benchmark that the profile calls `name`; relative paths of files start at `root`.

    Of rows with one id (without ids: with one question) the first is kept. `config.limit` counts good rows.
    EvaluationError names the file, a row and a field where no row is good, and says what to do where the source cannot
    be read at all.
    """
    benchmark = config.benchmark(name)
    folder, source, read = _open(name, config, root)
    good: list[tuple[Line, Item]] = []
    bad: list[tuple[Line, RowError]] = []
    seen: dict[str, int] = {}
    for line in read:
        try:
            item = _item(line, benchmark, folder)
            _refuse_repeats(line, item, seen)
        except RowError as error:
            bad.append((line, error))
            continue
        good.append((line, item))
        if len(good) == config.limit:
            break
    if not good:
        raise EvaluationError(_nothing_good(name, source, bad))
    rows = _questions(name, benchmark, config.procedure(name).prompt, [item for _, item in good], source)
    return LoadedBenchmark(
        questions=pl.DataFrame(rows, schema=BENCHMARK_QUESTIONS, orient="row"),
        quarantine=pl.DataFrame(
            [(name, source, line.number, e.field, e.reason, _printable(line.raw)[:_RAW_CHARS]) for line, e in bad],
            schema=BENCHMARK_QUARANTINE,
            orient="row",
        ),
    )


def _open(name: str, config: BenchmarkConfig, root: Path) -> tuple[Path | None, str, Iterator[Line]]:
    """The folder of the file, or None; what the tables call the source; its rows."""
    if config.source is not None and config.is_file():
        path = root / Path(config.source).expanduser()
        return path.parent, path.name, lines(path)
    hub = config.hub(name)
    return None, hub.path, hub_lines(hub)


def _item(line: Line, benchmark: Benchmark, folder: Path | None) -> Item:
    if isinstance(line.row, RowError):
        raise line.row
    item = benchmark.read(line.row, folder)
    task = get_task(benchmark.task)
    for turn, reference in enumerate(item.references, 1):
        try:
            canonical_json([item.turns, reference]).encode()
            task.check_reference(reference)
        except (ValueError, TypeError, RecursionError) as error:
            where = f"turn {turn}: " if len(item.references) > 1 else ""
            raise RowError("reference", f"{where}{' '.join(str(error).split())[:500]}") from error
    return item


def _refuse_repeats(line: Line, item: Item, seen: dict[str, int]) -> None:
    """RowError where the row's id, or, where it has none, its question was there before; else it is remembered.

    Multi-IF holds some conversations twice, under two ids, and is scored on both.
    """
    field, what = ("id", item.key) if item.key is not None else ("question", [item.turns, item.references])
    if (first := seen.setdefault(canonical_json([field, what]), line.number)) != line.number:
        raise RowError(field, f"duplicate of row {first}")


def _questions(
    name: str, benchmark: Benchmark, prompt: str, items: Sequence[Item], source: str
) -> Iterator[tuple[str | None, ...]]:
    for place, item in enumerate(items):
        example = item.example or _example_before(items, place)
        turns = [fill(prompt, turn, example) for turn in item.turns]
        references = [dict(reference) for reference in item.references]
        yield (
            content_id("question", name, item.key, turns, references),
            name,
            benchmark.task,
            item.key,
            item.language,
            "\n\n".join(item.turns),
            canonical_json(turns),
            canonical_json(references),
            source,
        )


def _example_before(items: Sequence[Item], place: int) -> str:
    """The question before as a worked example, as PlanBench does it; for the first one the last, for one alone none."""
    return items[place - 1].worked or "" if len(items) > 1 else ""


def fill(prompt: str, question: str, example: str = "") -> str:
    """`prompt` with the question and the example where it names them; braces around anything else stay."""
    before, placeholder, after = prompt.partition("{question}")
    return (
        before.replace("{example}", example) + (question if placeholder else "") + after.replace("{example}", example)
    )


def _nothing_good(name: str, source: str, bad: Sequence[tuple[Line, RowError]]) -> str:
    if not bad:
        return f"benchmark {name}, {source}: has no rows"
    line, error = bad[0]
    field = "" if error.field is None else f", field {error.field!r}"
    return f"benchmark {name}, {source}: none of {len(bad)} rows can be asked; row {line.number}{field}: {error.reason}"


def _printable(text: str) -> str:
    """`text` without what UTF-8 cannot hold (lone surrogates)."""
    return text.encode(errors="replace").decode()
