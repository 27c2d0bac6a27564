"""The executor of the deployment `ray`: every step a Ray job on a node that has what the step reserves."""

import os
import time
from pathlib import Path

import dagster as dg
from dagster._core.definitions.executor_definition import multiple_process_executor_requirements
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.step_delegating import CheckStepHealthResult, StepDelegatingExecutor, StepHandlerContext
from dagster_ray.configs import RayExecutionConfig
from dagster_ray.core.executor import RayStepHandler
from ray.job_submission import JobStatus, JobSubmissionClient

from marco_dag.storage import HOME_VARIABLE, Storage
from resources.needs import CORES_VARIABLE, GPUS_VARIABLE, WAIT_VARIABLE, longest_wait_s
from resources.profile import PROFILE_VARIABLE

_PASSED_ON = ("MARCO_DEPLOYMENT", GPUS_VARIABLE, CORES_VARIABLE, WAIT_VARIABLE)
"""What a step is told of its run's environment. Keys and passwords are not among it: Ray shows it on its dashboard."""
_SECONDS_BETWEEN_CHECKS = 5


class ImpatientStepHandler(RayStepHandler):
    """Ends a step that no node takes for too long, and says what it waited for."""

    def __init__(self, client: JobSubmissionClient, environment: dict[str, str], wait_seconds: float) -> None:
        super().__init__(client, None, {"env_vars": environment}, None, None, None, None)
        self._wait_seconds = wait_seconds
        self._waiting_since: dict[str, float] = {}

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        """Unhealthy where the job failed, is gone, or has waited too long for a node."""
        health: CheckStepHealthResult = super().check_step_health(step_handler_context)
        job = self._get_ray_job_submission_id(step_handler_context)
        if not health.is_healthy or self.client.get_job_status(job) != JobStatus.PENDING:
            return health
        waited = time.monotonic() - self._waiting_since.setdefault(job, time.monotonic())
        if waited <= self._wait_seconds:
            return health
        self.client.stop_job(job)
        step = self._get_step_key(step_handler_context)
        needs = RayExecutionConfig.from_tags({**step_handler_context.step_tags[step]})
        reason = (
            f"{step}: for {waited:.0f} s no node of the Ray cluster had room for its {needs.num_gpus or 0:g} GPUs and "
            f"{needs.num_cpus or 0:g} cores. Add a node that has them, wait for others' work, or reserve less "
            f"({GPUS_VARIABLE}=0 where there are no GPUs, {CORES_VARIABLE})."
        )
        return CheckStepHealthResult(is_healthy=False, unhealthy_reason=reason)


@dg.executor(name="ray", requirements=multiple_process_executor_requirements())
def ray_steps(_: dg.InitExecutorContext) -> StepDelegatingExecutor:
    """Every step a job of the cluster whose head `RAY_API_SERVER_ADDRESS` names (`http://host:8265`)."""
    return StepDelegatingExecutor(
        ImpatientStepHandler(JobSubmissionClient(), _environment(), longest_wait_s()),
        retries=RetryMode.ENABLED,
        check_step_health_interval_seconds=_SECONDS_BETWEEN_CHECKS,
        should_verify_step=True,
    )


def _environment() -> dict[str, str]:
    """Places are made absolute: a step has another working directory than its run."""
    said = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    said[HOME_VARIABLE] = str(Storage.from_environment().root)
    if profile := os.environ.get(PROFILE_VARIABLE):
        said[PROFILE_VARIABLE] = str(Path(profile).absolute()) if Path(profile).exists() else profile
    return said
