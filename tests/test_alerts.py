"""Alerts: what is posted, how patiently, and what is never told."""

import json
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from assets.alerts import alert_on_failure
from marco_dag.alerts import Alert, post, webhook
from marco_dag.errors import AlertError

ALERT = Alert(
    "run-12345678", "search_batch", "generated", ["tree_search"], ["mcts_trees/generated"], "SearchError: disk full"
)


class Hook:
    """A webhook on the loopback that answers as told and keeps what it was sent."""

    def __init__(self, *answers: int) -> None:
        self.answers, self.bodies, self.followed = list(answers), [], []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                answer = hook.answers.pop(0) if hook.answers else 200
                self.send_response(answer)
                if 300 <= answer < 400:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def do_GET(self) -> None:
                hook.followed.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/services/secret-path"


@contextmanager
def hooked(*answers: int):
    hook = Hook(*answers)
    thread = threading.Thread(target=hook.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hook
    finally:
        hook.server.shutdown()
        thread.join()
        hook.server.server_close()


class TestMessage:
    def test_says_what_failed_where_and_why(self, monkeypatch):
        monkeypatch.setenv("MARCO_WEB_URL", "http://127.0.0.1:3000/")
        payload = ALERT.payload()
        assert payload["text"] == (
            "Run run-1234 of search_batch, generated failed in tree_search (mcts_trees/generated)\n"
            "```\nSearchError: disk full\n```\n"
            "http://127.0.0.1:3000/runs/run-12345678"
        )
        assert (payload["run_id"], payload["steps"]) == ("run-12345678", ["tree_search"])

    def test_holds_no_secret_and_has_an_end(self, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", "hf_planted_secret")
        payload = Alert("r", "job", None, [], [], "hf_planted_secret " * 500).payload()
        assert "hf_planted_secret" not in json.dumps(payload)
        assert len(payload["error"]) == 1000
        assert payload["text"].startswith("Run r of job failed\n")


class TestPosting:
    def test_a_server_that_stumbles_is_asked_again(self):
        with hooked(503, 429, 200) as hook:
            post(ALERT, hook.address, wait_s=0.01)
        assert [body["run_id"] for body in hook.bodies] == [ALERT.run_id] * 3

    @pytest.mark.parametrize(("answers", "asked"), [((500, 500, 500), 3), ((404,), 1), ((302,), 1)])
    def test_one_that_refuses_is_named_by_its_variable_and_never_by_its_address(self, answers, asked):
        with hooked(*answers) as hook, pytest.raises(AlertError) as raised:
            post(ALERT, hook.address, wait_s=0.01)
        assert (len(hook.bodies), hook.followed) == (asked, [])
        assert f"MARCO_ALERT_WEBHOOK took no alert of run {ALERT.run_id}: it answers {answers[-1]}" in str(raised.value)
        assert "secret-path" not in str(raised.value)

    def test_nobody_there_is_said_too(self):
        with hooked() as hook:
            address = hook.address
        with pytest.raises(AlertError, match="URLError") as raised:
            post(ALERT, address, wait_s=0.01)
        assert "secret-path" not in str(raised.value)

    def test_a_server_that_speaks_no_http_is_said_too(self):
        with socket.create_server(("127.0.0.1", 0)) as server:

            def greet() -> None:
                for _ in range(3):
                    with server.accept()[0] as connection:
                        connection.recv(65536)
                        connection.sendall(b"220 mail ready\r\n")

            thread = threading.Thread(target=greet)
            thread.start()
            with pytest.raises(AlertError, match="BadStatusLine"):
                post(ALERT, f"http://127.0.0.1:{server.getsockname()[1]}/", wait_s=0.01)
            thread.join(10)

    def test_a_server_that_never_answers_is_given_up_within_ten_seconds(self):
        with socket.create_server(("127.0.0.1", 0)) as server:  # the kernel takes the call, and nobody picks it up
            begun = time.monotonic()
            with pytest.raises(AlertError, match="TimeoutError"):
                post(ALERT, f"http://127.0.0.1:{server.getsockname()[1]}/")
        assert 6 < time.monotonic() - begun < 10  # two tries of three seconds, and no third

    def test_only_http_is_spoken(self, monkeypatch):
        monkeypatch.setenv("MARCO_ALERT_WEBHOOK", "file:///etc/passwd")
        with pytest.raises(AlertError, match="is no http:// or https:// address"):
            webhook()


class TestSensor:
    @pytest.fixture
    def failed(self):
        """A real run that failed, as the sensor is told of it."""

        @dg.asset
        def breaks() -> None:
            raise dg.Failure("SearchError: the disk is full")

        job = dg.Definitions([breaks]).resolve_implicit_global_asset_job_def()
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(instance=instance, raise_on_error=False)
            yield dg.build_run_status_sensor_context(
                sensor_name="alert_on_failure",
                dagster_event=result.get_run_failure_event(),
                dagster_instance=instance,
                dagster_run=result.dagster_run,
            ).for_run_failure()

    def test_posts_the_failed_run(self, failed, monkeypatch):
        with hooked() as hook:
            monkeypatch.setenv("MARCO_ALERT_WEBHOOK", hook.address)
            assert alert_on_failure(failed) is None
        [body] = hook.bodies
        assert (body["run_id"], body["steps"], body["assets"]) == (failed.dagster_run.run_id, ["breaks"], ["breaks"])
        assert "the disk is full" in body["text"]

    @pytest.mark.parametrize(
        ("tags", "told"),
        [
            ({"dagster/partition": "mine"}, "mine"),
            ({"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "c"}, "a to c"),
            ({"dagster/asset_partition_range_start": "a"}, None),
        ],
    )
    def test_names_the_partition_or_the_range_of_them(self, failed, monkeypatch, tags, told):
        run = failed.dagster_run.with_tags(tags)
        context = dg.build_run_status_sensor_context(
            sensor_name="alert_on_failure",
            dagster_event=failed.dagster_event,
            dagster_instance=failed.instance,
            dagster_run=run,
        ).for_run_failure()
        with hooked() as hook:
            monkeypatch.setenv("MARCO_ALERT_WEBHOOK", hook.address)
            alert_on_failure(context)
        assert hook.bodies[0]["partition"] == told

    def test_without_a_webhook_nobody_is_told(self, failed, monkeypatch):
        monkeypatch.delenv("MARCO_ALERT_WEBHOOK", raising=False)
        assert "MARCO_ALERT_WEBHOOK is not set" in alert_on_failure(failed).skip_message

    def test_a_webhook_that_refuses_fails_no_tick(self, failed, monkeypatch):
        with hooked(400) as hook:
            monkeypatch.setenv("MARCO_ALERT_WEBHOOK", hook.address)
            assert alert_on_failure(failed) is None
