"""The rows of a data set of the Hugging Face hub, or of a folder that `datasets` reads as one."""

from collections.abc import Iterator

from marco_dag.errors import EvaluationError
from marco_dag.evaluation.benchmarks.files import Line, numbered
from marco_dag.evaluation.benchmarks.protocol import HubName


def hub_lines(name: HubName) -> Iterator[Line]:
    """Every row of the data set's split, in its order.

    EvaluationError where it cannot be had: no such data set or split, or no connection and not in the cache of
    `datasets`; it says what to do without a connection.
    """
    import datasets  # here, because it takes seconds

    try:
        rows = datasets.load_dataset(name.path, name.subset, split=name.split)
    except Exception as error:  # of httpx, huggingface_hub, fsspec, pyarrow and datasets itself, as the case may be
        reason = " ".join(str(error).split())[:300]
        wanted = f"{name.path}{f', {name.subset}' if name.subset else ''}, split {name.split}"
        raise EvaluationError(
            f"the data set {wanted} cannot be read: {type(error).__name__}: {reason}. Without a connection: download "
            "its file elsewhere (JSONL, JSON, CSV or Parquet), and give that file's path as the benchmark's source"
        ) from error
    yield from numbered(iter(rows))
