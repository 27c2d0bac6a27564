"""One dict of resources for each place that the pipeline can run; `MARCO_DEPLOYMENT` chooses."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import dagster as dg

from marco_dag.errors import ProfileError
from marco_dag.registry import TRACKING_VARIABLE
from resources.engines import EnginesResource
from resources.lineage import LineageResource
from resources.models import ModelManifests
from resources.needs import longest_wait_s, reserved_cores, reserved_gpus
from resources.profile import ProfileResource
from resources.searches import ClusterSearches, Searches
from resources.steps import Steps
from resources.storage import StorageResource
from resources.tables import ParquetTables
from resources.tracking import MlflowTracking

DEPLOYMENT_VARIABLE = "MARCO_DEPLOYMENT"
"""Environment variable that names the deployment; without it, `laptop`."""


def _resources(searches_by: Callable[[EnginesResource], Searches]) -> dict[str, object]:
    home = StorageResource()
    profile = ProfileResource.configure_at_launch()
    tracking = MlflowTracking(home=home, tracking_uri=os.environ.get(TRACKING_VARIABLE, ""))
    steps = Steps(home=home, profile=profile, lineage=LineageResource(home=home), tracking=tracking)
    engines = EnginesResource(home=home)
    return {
        "home": home,
        "profile": profile,
        "steps": steps,
        "tables": ParquetTables(home=home),
        "models": ModelManifests(home=home),
        "engines": engines,
        "searches": searches_by(engines),
    }


def _in_the_step(engines: EnginesResource) -> Searches:
    return Searches(engines=engines)


def _on_all_nodes(engines: EnginesResource) -> Searches:
    return ClusterSearches(engines=engines, cores=reserved_cores(), gpus=reserved_gpus(), wait_seconds=longest_wait_s())


def _ray_steps() -> dg.ExecutorDefinition:
    from resources.ray_steps import ray_steps

    return ray_steps


def _kubernetes_steps() -> dg.ExecutorDefinition:
    from dagster_k8s import k8s_job_executor

    # A run starts its steps' pods; a step asks the cluster for nothing.
    without_rights = {"pod_spec_config": {"automount_service_account_token": False}}
    executor: dg.ExecutorDefinition = k8s_job_executor.configured({"step_k8s_config": without_rights})
    return executor


@dataclass(frozen=True)
class _Deployment:
    searches_by: Callable[[EnginesResource], Searches]
    executor: Callable[[], dg.ExecutorDefinition]
    extra: str | None = None
    """The extra of pyproject.toml that it needs."""


_DEPLOYMENTS: Mapping[str, _Deployment] = {
    "laptop": _Deployment(_in_the_step, lambda: dg.in_process_executor),
    "ray": _Deployment(_on_all_nodes, _ray_steps, extra="ray"),
    "kubernetes": _Deployment(_in_the_step, _kubernetes_steps, extra="kubernetes"),
}


def chosen_deployment() -> str:
    """The deployment that `MARCO_DEPLOYMENT` names; ProfileError lists the known ones."""
    name = os.environ.get(DEPLOYMENT_VARIABLE) or "laptop"
    if name not in _DEPLOYMENTS:
        raise ProfileError(f"{DEPLOYMENT_VARIABLE}: no deployment {name!r}; known: {', '.join(_DEPLOYMENTS)}")
    return name


def resources_for(deployment: str) -> dict[str, object]:
    """The resources of a deployment, by the names that assets ask for."""
    return _resources(_DEPLOYMENTS[deployment].searches_by)


def executor_for(deployment: str) -> dg.ExecutorDefinition:
    """What runs the steps: the run's own process on a laptop, a job or a pod a step elsewhere.

    ProfileError where what the deployment needs is not installed.
    """
    chosen = _DEPLOYMENTS[deployment]
    try:
        return chosen.executor()
    except ModuleNotFoundError as error:
        raise ProfileError(
            f"{DEPLOYMENT_VARIABLE}={deployment}: {error.name} is not installed; "
            f"run `.venv/bin/python scripts/install.py --{chosen.extra}`"
        ) from error
