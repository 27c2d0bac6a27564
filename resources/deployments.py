"""One dict of resources for each place that the pipeline can run; `MARCO_DEPLOYMENT` chooses."""

import os
from collections.abc import Mapping

import dagster as dg

from marco_dag.errors import ProfileError
from resources.engines import EnginesResource
from resources.lineage import LineageResource
from resources.models import ModelManifests
from resources.profile import ProfileResource
from resources.steps import Steps
from resources.storage import StorageResource
from resources.tables import ParquetTables
from resources.tracking import MlflowTracking

DEPLOYMENT_VARIABLE = "MARCO_DEPLOYMENT"
"""Environment variable that names the deployment; without it, `laptop`."""

TRACKING_VARIABLE = "MARCO_MLFLOW_URI"
"""Environment variable with the address of an MLflow server; without it, runs go into a file below the storage root."""


def _laptop() -> dict[str, object]:
    home = StorageResource()
    profile = ProfileResource.configure_at_launch()
    tracking = MlflowTracking(home=home, tracking_uri=os.environ.get(TRACKING_VARIABLE, ""))
    steps = Steps(home=home, profile=profile, lineage=LineageResource(home=home), tracking=tracking)
    return {
        "home": home,
        "profile": profile,
        "steps": steps,
        "tables": ParquetTables(home=home),
        "models": ModelManifests(home=home),
        "engines": EnginesResource(home=home),
    }


_DEPLOYMENTS = {"laptop": _laptop}
_EXECUTORS: Mapping[str, dg.ExecutorDefinition] = {"laptop": dg.in_process_executor}


def chosen_deployment() -> str:
    """The deployment that `MARCO_DEPLOYMENT` names; ProfileError lists the known ones."""
    name = os.environ.get(DEPLOYMENT_VARIABLE) or "laptop"
    if name not in _DEPLOYMENTS:
        raise ProfileError(f"{DEPLOYMENT_VARIABLE}: no deployment {name!r}; known: {', '.join(_DEPLOYMENTS)}")
    return name


def resources_for(deployment: str) -> dict[str, object]:
    """The resources of a deployment, by the names that assets ask for."""
    return _DEPLOYMENTS[deployment]()


def executor_for(deployment: str) -> dg.ExecutorDefinition:
    """What runs the steps. A laptop runs them in the run's own process, which pays for imports and models once."""
    return _EXECUTORS[deployment]
