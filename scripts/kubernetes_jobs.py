"""The jobs that dagster-k8s makes of a run and of its steps, as they are configured. No cluster is called."""

from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import kubernetes
import yaml
from dagster._config import process_config
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import UserDefinedDagsterK8sConfig, construct_dagster_k8s_job, get_user_defined_k8s_config

from marco_dag.definitions import defs
from resources.deployments import executor_for

INSTANCE = Path(__file__).resolve().parent.parent / "docker/kubernetes/instance.yaml"


def job_of_a_run() -> dict[str, Any]:
    """What the run launcher asks Kubernetes for, as JSON."""
    return _job(_context_of_a_run(), "run", "run_worker")


def job_of_a_step(asset: str) -> dict[str, Any]:
    """What a run asks Kubernetes for to make `asset`: for all pods, for all steps, for this one."""
    schema: Any = executor_for("kubernetes").config_schema
    every_step = schema.resolve_config({}).value["config"]["step_k8s_config"]
    context = _context_of_a_run()
    for own in (
        UserDefinedDagsterK8sConfig.from_dict(every_step),
        get_user_defined_k8s_config(defs.resolve_assets_def(asset).op.tags),
    ):
        context = context.merge(K8sContainerContext(run_k8s_config=own))
    return _job(context, "step", "step_worker")


@cache
def _launcher() -> K8sRunLauncher:
    config = process_config(
        K8sRunLauncher.config_type(), yaml.safe_load(INSTANCE.read_text())["run_launcher"]["config"]
    )
    assert config.success, config.errors
    with patch.object(kubernetes.config, "load_incluster_config"):
        return K8sRunLauncher.from_config_value(None, config.value)


def _context_of_a_run() -> K8sContainerContext:
    return K8sContainerContext.create_for_run(dg.DagsterRun(job_name="run"), _launcher(), include_run_tags=False)


def _job(context: K8sContainerContext, name: str, component: str) -> dict[str, Any]:
    job = construct_dagster_k8s_job(
        context.get_k8s_job_config(_launcher().job_image, _launcher()),
        args=["dagster", "api", f"execute_{name}"],
        job_name=name,
        pod_name=name,
        component=component,
        user_defined_k8s_config=context.run_k8s_config,
    )
    made: dict[str, Any] = kubernetes.client.ApiClient().sanitize_for_serialization(job)
    return made
