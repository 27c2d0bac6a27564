"""What a step says to MLflow: parameters, metrics, curves, the tables it read, the checkpoint it made or approved.

One `TrackedStep` stands for one MLflow run. It talks through a client of its own and never touches MLflow's global
state, so that several steps of one process do not meet.
"""

import json
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from marco_dag.identity import canonical_json
from marco_dag.redaction import redact
from marco_dag.registry import MlflowStore, ModelRegistry, Registration, Version

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NO_NAME = re.compile(r"[^\w\-. /]")
_LONGEST_NAME = 250
_LONGEST_PARAMETER = 6000
_LONGEST_DIGEST = 36
_PARAMETERS_A_CALL = 100
_METRICS_A_CALL = 1000

T = TypeVar("T")


class TrackedStep:
    """One running MLflow run. Made by `resources.tracking.MlflowTracking.step_run`."""

    def __init__(self, store: MlflowStore, experiment_id: str, run_id: str) -> None:
        self._client: Any = store.client()
        self._registry = ModelRegistry(store)
        self._experiment_id = experiment_id
        self.run_id = run_id

    def log_params(self, params: Mapping[str, object]) -> None:
        """Log nested parameters under dotted names; secrets are replaced, lists are written as JSON."""
        from mlflow.entities import Param

        for some in _chunks([Param(name, value) for name, value in flatten(params).items()], _PARAMETERS_A_CALL):
            self._client.log_batch(self.run_id, params=some)

    def log_metrics(self, metrics: Mapping[str, float | None], step: int = 0) -> None:
        """Log one value of each metric; None is left out."""
        self._log(_metrics(metrics, step))

    def log_curve(self, curve: pl.DataFrame, step: str = "step") -> None:
        """Log every number of `curve` (one row a step, nulls left out) as the metric of its column's name."""
        numeric = curve.select(
            step, *(name for name, kind in curve.schema.items() if kind.is_numeric() and name != step)
        )
        rows = numeric.iter_rows(named=True)
        self._log(
            [metric for row in rows for metric in _metrics({k: v for k, v in row.items() if k != step}, row[step])]
        )

    def log_table_input(
        self, name: str, *, data_version: str, path: Path | str, rows: int | None, context: str = "training"
    ) -> None:
        """Log a table that the step read, as an MLflow dataset; `context` says what for."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=name,
            digest=data_version[:_LONGEST_DIGEST],
            source_type="local",
            source=canonical_json({"uri": str(path)}),
            profile=canonical_json({"num_rows": rows}),
        )
        self._client.log_inputs(self.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])])

    def log_checkpoint(
        self, name: str, path: Path, *, params: Mapping[str, object], metrics: Mapping[str, float | None]
    ) -> str:
        """Log a checkpoint folder as an MLflow LoggedModel and return the model's id; its weights stay where they are.

        The model can be registered. Its tag `path` says where the folder is.
        """
        from mlflow.entities import LoggedModelOutput
        from mlflow.models.utils import get_external_mlflow_model_spec
        from mlflow.utils.mlflow_tags import MLFLOW_MODEL_IS_EXTERNAL

        model = self._client.create_logged_model(
            self._experiment_id,
            name=_name(name),
            source_run_id=self.run_id,
            tags={"path": str(path), MLFLOW_MODEL_IS_EXTERNAL: "true"},
            params=flatten(params),
            model_type="checkpoint",
        )
        # What the model registry asks of a model whose files lie elsewhere.
        with tempfile.TemporaryDirectory() as folder:
            get_external_mlflow_model_spec(model).save(Path(folder) / "MLmodel")
            self._client.log_model_artifacts(model.model_id, folder)
        self._client.finalize_logged_model(model.model_id, "READY")
        self._client.log_outputs(self.run_id, [LoggedModelOutput(model.model_id, step=0)])
        self._log(_metrics(metrics, 0, model.model_id))
        return str(model.model_id)

    def register_candidate(self, model: str, checkpoint: Registration, folder: Path) -> Version:
        """Register the checkpoint in `folder` as a version of `model`, the candidate; known weights get no second one.

        The version stands on what `log_checkpoint` logged of the artifact; that is logged here where it is missing.
        """
        logged = self._client.search_logged_models(
            [self._experiment_id],
            filter_string=f"params.artifact = '{checkpoint.artifact}'",
            order_by=[{"field_name": "creation_time", "ascending": False}],
            max_results=1,
        )
        model_id = (
            logged[0].model_id
            if logged
            else self.log_checkpoint(
                checkpoint.checkpoint, folder, params={"artifact": checkpoint.artifact}, metrics={}
            )
        )
        source = self._client.get_logged_model(model_id).artifact_location
        return self._registry.register(model, checkpoint, source=source, run_id=self.run_id)

    def log_figure(self, figure: "Figure", name: str) -> None:
        """Log a picture as `name`, a file name such as `lengths.png`."""
        self._client.log_figure(self.run_id, figure, name)

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Copy a (small) file to the run's artifacts, below `folder`."""
        self._client.log_artifact(self.run_id, str(path), folder)

    def _log(self, metrics: Sequence[Any]) -> None:
        for some in _chunks(metrics, _METRICS_A_CALL):
            self._client.log_batch(self.run_id, metrics=some)


def flatten(params: Mapping[str, object]) -> dict[str, str]:
    """Nested parameters as dotted names and the texts MLflow takes: names cleaned, long texts cut, secrets replaced."""
    flat = redact(dict(_flatten("", params)))
    return {_name(name): value[:_LONGEST_PARAMETER] for name, value in flat.items()}


def _flatten(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flatten(f"{prefix}.{name}" if prefix else str(name), inner)
    else:
        yield prefix, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _metrics(values: Mapping[str, float | None], step: int, model_id: str | None = None) -> list[Any]:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    return [
        Metric(_name(name), float(value), now, int(step), model_id=model_id)
        for name, value in values.items()
        if value is not None
    ]


def _name(name: str) -> str:
    return _NO_NAME.sub("_", name)[:_LONGEST_NAME]


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
