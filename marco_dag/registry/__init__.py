"""Which checkpoint is meant by a name, which are registered for use, and which one is in use."""

from marco_dag.registry.mlflow_store import TRACKING_VARIABLE, MlflowStore
from marco_dag.registry.versions import CANDIDATE, CHAMPION, ModelRegistry, Registration, Version, registered_name

__all__ = [
    "CANDIDATE",
    "CHAMPION",
    "TRACKING_VARIABLE",
    "MlflowStore",
    "ModelRegistry",
    "Registration",
    "Version",
    "registered_name",
]
