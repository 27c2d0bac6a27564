"""The models that everything starts from: generator, critic and student."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets import OWNERS
from assets._gpu import GPU_POOL, GPU_TAGS
from assets._pictures import loss_curves
from marco_dag.engines import checkpoint_digest, fetch_checkpoint
from marco_dag.identity import digest_json
from marco_dag.miniature import MINIATURE_VERSION, MODELS_KIND, embedded_models
from marco_dag.miniature.models import CURVES
from marco_dag.store import Artifact
from resources.models import Model
from resources.steps import Step, Steps


@dg.asset(
    group_name="models",
    kinds={"huggingface", "pytorch"},
    owners=OWNERS,
    code_version=MINIATURE_VERSION,
    io_manager_key="models",
    pool=GPU_POOL,
    op_tags=GPU_TAGS,
)
def base_models(context: dg.AssetExecutionContext, steps: Steps) -> Iterator[dg.MaterializeResult[Any]]:
    """Generator, critic and base student: the profile's Hugging Face models, or tiny ones trained from scratch."""
    with steps.open(context) as step:
        sources = step.profile.models.model_dump()
        trained = _train_embedded(step) if "miniature" in sources.values() else None
        models = {
            role: _embedded(step, trained, role) if source == "miniature" and trained else _external(source, role)
            for role, source in sources.items()
        }
        yield step.finish(
            models,
            data_version=digest_json({role: model.digest for role, model in models.items()}),
            artifact=trained,
            metadata={"loss": loss_curves(read_curves(trained.path)) if trained else "not trained here"},
        )


def _train_embedded(step: Step) -> Artifact:
    profile = step.profile
    key, train = embedded_models(profile.miniature, held_out_share=profile.seeds.held_out_share, seed=profile.seed)
    trained = step.reuse_or_make(MODELS_KIND, key, train)
    for role, curve in read_curves(trained.path).items():
        step.run.log_curve(curve.rename({name: f"{role}/{name}" for name in curve.columns if name != "step"}))
    return trained


def _embedded(step: Step, trained: Artifact, role: str) -> Model:
    folder = trained.path / role
    return Model.in_storage(folder, checkpoint_digest(folder), step.storage)


def _external(source: str, role: str) -> Model:
    """The student is fetched, because it is trained from its folder; the others may be known to their servers alone."""
    is_folder = role == "student" or Path(source).is_dir()
    location = str(fetch_checkpoint(source)) if is_folder else source
    return Model(location, checkpoint_digest(location), stored=False)


def read_curves(folder: Path) -> dict[str, pl.DataFrame]:
    """The loss curve of each embedded model, by role."""
    curves = pl.read_parquet(folder / CURVES)
    return {str(role): curve.drop("role") for (role,), curve in curves.partition_by("role", as_dict=True).items()}
