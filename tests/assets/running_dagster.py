"""Dagster as compose.yaml runs it, on the loopback: code server, daemon and web server, each a process to kill."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import psutil
import yaml

from marco_dag.engines.guarded_server import free_port
from tests.assets.conftest import NO_LOG_FILES

ROOT = Path(__file__).parents[2]
LOCATION = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
LAUNCH = """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
REEXECUTE = """mutation ($parent: String!) { launchRunReexecution(reexecutionParams:
  {parentRunId: $parent, strategy: FROM_FAILURE}) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
TERMINATE = "mutation ($id: String!) { terminateRun(runId: $id) { __typename } }"
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


Found = TypeVar("Found")


def wait_for(what: Callable[[], Found], seconds: float, why: str) -> Found:
    """What `what` returns, once that is true of it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.3)
    raise AssertionError(f"not within {seconds:.0f} s: {why}")


def write_instance(home: Path, *, runs: int) -> None:
    """dagster.yaml as it is shipped, with paths of its own, less patience, and so many runs at once at most."""
    shipped = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    shipped["storage"]["sqlite"]["base_dir"] = str(home)
    shipped["local_artifact_storage"]["config"]["base_dir"] = str(home)
    shipped["compute_logs"] = NO_LOG_FILES["compute_logs"]
    shipped["concurrency"]["runs"] = {"max_concurrent_runs": runs}
    shipped["run_monitoring"] |= {"poll_interval_seconds": 1, "start_timeout_seconds": 60}
    shipped["run_queue"]["user_code_failure_retry_delay"] = 1
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text(yaml.safe_dump(shipped))


class WebUi:
    """A web server, and what its page asks of it."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str, **variables: object) -> dict:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self.address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            told = json.load(answer)
        assert not told.get("errors"), told
        return told["data"]

    def is_up(self) -> bool:
        """Whether it answers, and knows the code location."""
        try:
            return bool(self.ask(LOCATION)["repositoriesOrError"].get("nodes"))
        except (urllib.error.URLError, ConnectionError):
            return False

    def repository(self) -> dict[str, str]:
        """What selectors name the code location by."""
        [found] = self.ask(LOCATION)["repositoriesOrError"]["nodes"]
        return {"repositoryLocationName": found["location"]["name"], "repositoryName": found["name"]}

    def launch(self, *assets: str, tags: Mapping[str, str] | None = None) -> str:
        """Materialize `assets`; the run's id."""
        selection = {"jobName": "__ASSET_JOB", "assetSelection": [{"path": [asset]} for asset in assets]}
        params = {
            "selector": self.repository() | selection,
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]},
        }
        return self._launched(self.ask(LAUNCH, params=params)["launchRun"])

    def reexecute(self, run: str) -> str:
        """Re-execute a run from where it ended; the new run's id."""
        return self._launched(self.ask(REEXECUTE, parent=run)["launchRunReexecution"])

    def terminate(self, run: str) -> None:
        assert self.ask(TERMINATE, id=run)["terminateRun"]["__typename"] == "TerminateRunSuccess"

    def status(self, run: str) -> str:
        return self.ask(STATUS, id=run)["runOrError"]["status"]

    @staticmethod
    def _launched(told: dict) -> str:
        assert told["__typename"] == "LaunchRunSuccess", told
        return told["run"]["runId"]


class RunningDagster:
    """The three services over one storage root, as a context; its Dagster home is `root`/dagster."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.root, self.home = root, root / "dagster"
        code, web = free_port(), free_port()
        workspace = self.home / "workspace.yaml"
        server = {"host": "127.0.0.1", "port": code, "location_name": "marco_dag"}
        workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
        where = ["--host", "127.0.0.1", "--port"]
        self.commands: dict[str, Sequence[str]] = {
            "code": ["dagster", "code-server", "start", *where, str(code), "--module-name", "marco_dag.definitions"],
            "daemon": ["dagster._daemon", "run", "--workspace", str(workspace)],
            "webserver": ["dagster_webserver", *where, str(web), "--workspace", str(workspace)],
        }
        self.environment = os.environ | {
            "DAGSTER_HOME": str(self.home),
            "DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR": "yes",  # as the Makefile and the Dockerfile have it
            "MARCO_HOME": str(root),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            **environment,
        }
        self.ui = WebUi(web)
        self.processes: dict[str, psutil.Popen] = {}

    def start(self, service: str) -> None:
        with (self.root / f"{service}.log").open("a") as log:
            self.processes[service] = psutil.Popen(
                [sys.executable, "-m", *self.commands[service]],
                cwd=self.root,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(self, service: str) -> str:
        return (self.root / f"{service}.log").read_text()

    def kill(self, service: str) -> None:
        """SIGKILL it. The code server is two processes, and none of the runs that it has started."""
        process = self.processes[service]
        for one in [*process.children(), process]:
            one.kill()
        process.wait(30)

    def __enter__(self) -> "RunningDagster":
        self.start("code")
        self.start("webserver")
        self.start("daemon")

        def is_up() -> bool:
            for service, process in self.processes.items():
                assert process.poll() is None, self.log(service)
            return self.ui.is_up()

        try:
            wait_for(is_up, 120, "the web server answers")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        started = [child for process in self.processes.values() for child in _tree(process)]
        for process in self.processes.values():
            if process.is_running():
                process.terminate()
        for process in psutil.wait_procs(started, timeout=20)[1]:
            process.kill()
        for process in self.processes.values():
            process.wait(30)


def _tree(process: psutil.Popen) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
