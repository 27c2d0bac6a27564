"""The process of a run, so that others can tell whether it lives: its lock, its end, and the launcher that looks.

Dagster's own launcher cannot say whether a run's process is still there: a run whose code server was killed with all it
had started would count as under way for ever, hold the GPU's pool, and keep a back-fill from ending. So every run that
a code server starts

- holds a lock of its own on one file of the instance until its process is gone, however that ends;
- ends with its code server, the only one that could terminate it.

`WatchedRunLauncher`, named in dagster.yaml, reads the lock for Dagster's run monitoring, which then fails the run; what
follows is what `run_retries` says. Daemon and code server have to be on one machine and share the instance's folder,
and every run that is launched has to be of this code location. Other launchers have ways of their own.
"""

import errno
import fcntl
import multiprocessing
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.step_dependency_config import StepDependencyConfig
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._serdes import ConfigurableClassData

if TYPE_CHECKING:
    from dagster._core.execution.context.system import PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan

_LOCKS = "run_workers.lock"
_SECONDS_FOR_A_SERVER = 300.0
"""A run whose process is gone counts as under way for so long at most, while its code server is gone as well."""
_SECONDS_TO_BE_HEARD_OF = 15.0
"""What the daemon is given to load the code location of a server that is back."""
_SECONDS_TO_LOCK = 10.0
"""Between the event that a run has started and its lock lie milliseconds; a busy machine may make more of them."""


def hold_lock(folder: Path, run_id: str) -> None:
    """Until this process is gone, `is_locked` says so of `run_id`. Nothing is left behind on the disk but one file.

    The lock is that of one byte of the file. The kernel lets go of it with the process, or once the process closes the
    file anywhere: nobody else here may open it.
    """
    file = _open(folder)
    fcntl.lockf(file, fcntl.LOCK_EX, 1, _byte(run_id))


def is_locked(folder: Path, run_id: str) -> bool:
    """Whether a process, other than this one, holds the lock of `run_id`."""
    file = _open(folder)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(run_id))
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        return True
    finally:
        os.close(file)
    return False


def _open(folder: Path) -> int:
    return os.open(folder / _LOCKS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _byte(run_id: str) -> int:
    return uuid.UUID(run_id).int >> 66  # files end at 2**63


def watched(executor: dg.ExecutorDefinition) -> dg.ExecutorDefinition:
    """`executor`, in a process that is watched where a code server has started it."""
    create = executor.executor_creation_fn
    assert create is not None

    def create_watched(context: dg.InitExecutorContext) -> dg.Executor:
        return _Watched(create(context))

    return dg.ExecutorDefinition(
        name=executor.name,
        config_schema=executor.config_schema,  # type: ignore[arg-type]  # what the definition made of a schema is one
        requirements=executor._requirements_fn,
        executor_creation_fn=create_watched,
        description=executor.description,
    )


class _Watched(dg.Executor):
    def __init__(self, executor: dg.Executor) -> None:
        self._executor = executor

    @property
    def retries(self) -> RetryMode:
        return self._executor.retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        return self._executor.step_dependency_config

    def execute(
        self, plan_context: "PlanOrchestrationContext", execution_plan: "ExecutionPlan"
    ) -> Iterator[dg.DagsterEvent]:
        if GRPC_INFO_TAG in plan_context.dagster_run.tags:
            hold_lock(Path(plan_context.instance.root_directory), plan_context.run_id)
            _end_with_server()
        return self._executor.execute(plan_context, execution_plan)


def _end_with_server() -> None:
    server = multiprocessing.parent_process()
    if server is None:
        return

    def wait() -> None:
        server.join()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, name="end-with-code-server", daemon=True).start()


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Starts runs in their code server, as Dagster's own does, and knows of each whether its process is there."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        self._gone_since: dict[str, float] = {}
        self._answers_since: dict[str, float] = {}

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether run monitoring asks."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """FAILED where `run` has started and its process is gone; RUNNING else, also for what it has not launched."""
        if GRPC_INFO_TAG not in run.tags or is_locked(Path(self._instance.root_directory), run.run_id):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        started = self._instance.get_run_stats(run.run_id).start_time
        if started is None or time.time() - started < _SECONDS_TO_LOCK or self._must_wait(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "its process is gone")

    def _must_wait(self, run: dg.DagsterRun) -> bool:
        """Whether `run` could not be tried again yet: Dagster tries that once, and fails without a code server."""
        now = time.monotonic()
        gone_since = self._gone_since.setdefault(run.run_id, now)
        if now - gone_since > _SECONDS_FOR_A_SERVER:
            return False
        server = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if server is None:  # it has ended in this very moment
            return True
        try:
            server.ping("")
        except DagsterUserCodeUnreachableError:
            self._answers_since.pop(run.run_id, None)
            return True
        return now - self._answers_since.setdefault(run.run_id, now) < _SECONDS_TO_BE_HEARD_OF
