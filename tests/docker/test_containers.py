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

from marco_dag.registry import TRACKING_VARIABLE
from marco_dag.storage import HOME_VARIABLE
from resources.deployments import DEPLOYMENT_VARIABLE
from resources.profile import PROFILE_VARIABLE

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "docker"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (FOLDER / "Dockerfile").read_text()


def test_folder_does_not_shadow_the_docker_package():
    assert not list(FOLDER.rglob("__init__.py"))
    assert FOLDER not in Path(str(find_spec("docker").origin)).parents


class TestCompose:
    def test_follows_the_compose_specification(self):
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
        result = subprocess.run([*command, FOLDER / "compose.yaml"], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout

    def test_runs_the_five_services(self):
        assert set(SERVICES) == {"postgres", "mlflow", "code", "webserver", "daemon"}

    def test_publishes_to_this_machine_only(self):
        published = [port for service in SERVICES.values() for port in service.get("ports", [])]
        assert published
        assert all(str(port).startswith("127.0.0.1:") for port in published)

    def test_postgres_is_not_published_and_its_network_leads_nowhere(self):
        assert "ports" not in SERVICES["postgres"]
        assert SERVICES["postgres"]["networks"] == ["storage"]
        assert COMPOSE["networks"]["storage"] == {"internal": True}

    def test_passwords_come_from_the_environment_without_a_default(self):
        text = (FOLDER / "compose.yaml").read_text()
        asked = re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|TOKEN|KEY)\w*)([^}]*)\}", text)
        assert asked
        assert all(modifier.startswith(":?") for _, modifier in asked)
        for service in SERVICES.values():
            for name, value in service.get("environment", {}).items():
                if re.search("PASSWORD|SECRET|TOKEN|KEY", name):
                    assert str(value).startswith("${"), name
        assert not re.search(r"://[^\s:@/$]+:[^$@\s]+@", text), "a password inside a URL"

    @pytest.mark.parametrize("name", SERVICES)
    def test_service_is_checked_restarted_and_confined(self, name: str):
        service = SERVICES[name]
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service.get("privileges", service.get("privileged")) is None

    def test_what_is_mounted_and_built_exists(self):
        for service in SERVICES.values():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                assert source in COMPOSE["volumes"] or (FOLDER / source).is_file(), volume
            if build := service.get("build"):
                assert (FOLDER / build["context"] / build["dockerfile"]).is_file()

    def test_services_wait_for_healthy_ones_that_exist(self):
        for service in SERVICES.values():
            for needed, how in service.get("depends_on", {}).items():
                assert needed in SERVICES
                assert how == {"condition": "service_healthy"}

    def test_no_service_reaches_the_docker_engine(self):
        assert "docker.sock" not in (FOLDER / "compose.yaml").read_text()


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
        given = {*SERVICES["code"]["environment"], *re.findall(r"\b(MARCO_\w+)=", DOCKERFILE)}
        assert {name for name in given if name.startswith("MARCO_")} <= known

    def test_workspace_names_the_service_and_the_port_of_the_code_location(self):
        workspace = yaml.safe_load((FOLDER / "workspace.yaml").read_text())
        server = workspace["load_from"][0]["grpc_server"]
        assert server["host"] in SERVICES
        assert f"EXPOSE {server['port']}" in DOCKERFILE
        assert f'"--port", "{server["port"]}", "--module-name", "marco_dag.definitions"' in DOCKERFILE


class TestDockerfile:
    def test_installs_from_the_locks_and_names_no_version_of_its_own(self):
        assert "scripts/install.py --postgres" in DOCKERFILE
        assert "COPY requirements requirements" in DOCKERFILE
        assert not re.search(r"pip\d?\s+install|==", DOCKERFILE)

    def test_python_is_one_that_the_project_allows(self):
        python = re.findall(r"^FROM python:(\d+\.\d+)-slim", DOCKERFILE, re.MULTILINE)
        project = re.search(r'requires-python = "(.+)"', (ROOT / "pyproject.toml").read_text())
        assert project
        assert len(set(python)) == 1
        assert python[0] in SpecifierSet(project[1])

    def test_last_stage_runs_as_nobody_in_particular_and_is_checked(self):
        last = DOCKERFILE.split("FROM ")[-1]
        assert re.search(r"^USER [1-9]\d*$", last, re.MULTILINE)
        assert "HEALTHCHECK" in last

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
        images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
        images += [service["image"] for service in SERVICES.values()]
        assert all("/" not in image for image in images)
