"""What the files for Kubernetes and Ray promise; their schemas are checked by scripts/lint_containers.py."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config

from marco_dag.profiles import load_profile
from marco_dag.storage import HOME_VARIABLE
from resources.deployments import DEPLOYMENT_VARIABLE, TRACKING_VARIABLE
from resources.profile import PROFILE_VARIABLE
from scripts.kubernetes_jobs import job_of_a_step

FOLDER = Path(__file__).parent.parent.parent / "docker"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
INSTANCE = yaml.safe_load((FOLDER / "kubernetes/instance.yaml").read_text())
COMPOSE, GPU = (yaml.safe_load((FOLDER / name).read_text()) for name in ("compose.yaml", "compose.gpu.yaml"))
OBJECTS = [
    found for name in KUSTOMIZATION["resources"] for found in yaml.safe_load_all((FOLDER / name).read_text()) if found
]
PODS = {
    found["metadata"]["name"]: found["spec"]["template"]["spec"] for found in OBJECTS if found["kind"] == "Deployment"
}
RUN = INSTANCE["run_launcher"]["config"]


def named(kind: str) -> set[str]:
    return {found["metadata"]["name"] for found in OBJECTS if found["kind"] == kind}


def literals() -> dict[str, str]:
    [ours] = [made for made in KUSTOMIZATION["configMapGenerator"] if made["name"] == "marco"]
    return dict(literal.split("=", 1) for literal in ours["literals"])


def secrets_asked(value: Any) -> Iterator[str]:
    """The keys of the secret `marco` that a manifest names."""
    if isinstance(value, dict):
        if "secretKeyRef" in value:
            assert value["secretKeyRef"]["name"] == "marco"
            yield value["secretKeyRef"]["key"]
        for part in value.values():
            yield from secrets_asked(part)
    elif isinstance(value, list):
        for part in value:
            yield from secrets_asked(part)


class TestKubernetes:
    def test_every_manifest_is_applied_and_every_service_of_compose_is_there(self):
        applied = {Path(name).name for name in KUSTOMIZATION["resources"]}
        assert applied == {file.name for file in (FOLDER / "kubernetes").glob("*.yaml")} - {"instance.yaml"}
        assert set(PODS) == {*COMPOSE["services"], *GPU["services"]}

    def test_files_of_the_generated_maps_exist(self):
        sources = [
            file.split("=")[-1] for made in KUSTOMIZATION["configMapGenerator"] for file in made.get("files", [])
        ]
        assert sources
        assert all((FOLDER / source).is_file() for source in sources)

    @pytest.mark.parametrize("name", PODS)
    def test_pod_is_confined_checked_and_bounded(self, name: str):
        pod = PODS[name]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        [container] = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"readinessProbe", "livenessProbe"} <= container.keys()
        assert container["resources"]["limits"]
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert not [port for port in container.get("ports", []) if "hostPort" in port]

    @pytest.mark.parametrize("name", PODS)
    def test_what_a_pod_mounts_exists(self, name: str):
        claims = named("PersistentVolumeClaim")
        maps = {made["name"] for made in KUSTOMIZATION["configMapGenerator"]}
        volumes = {volume["name"]: volume for volume in PODS[name]["volumes"]}
        [container] = PODS[name]["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
        for volume in volumes.values():
            assert volume.get("persistentVolumeClaim", {"claimName": "data"})["claimName"] in claims
            assert volume.get("configMap", {"name": "marco"})["name"] in maps

    @pytest.mark.parametrize("name", [*COMPOSE["services"], "vllm-generator", "vllm-critic"])
    def test_it_runs_what_compose_runs(self, name: str):
        [container] = PODS[name]["containers"]
        ours = [*container.get("command", []), *container.get("args", [])]
        service = GPU["services"].get(name) if name.startswith("vllm") else COMPOSE["services"][name]
        words = [*service.get("entrypoint", []), *service.get("command", [])]
        words = [word for word in words if not word.startswith("--gpu-memory-utilization")]  # each has its own GPU here
        if name == "code":
            [image_command] = re.findall(r"^CMD \[(.*)\]$", (FOLDER / "Dockerfile").read_text(), re.MULTILINE)
            words = yaml.safe_load(f"[{image_command}]")
        assert ours == words

    def test_services_listen_where_the_others_look(self):
        ports = {s["metadata"]["name"]: s["spec"]["ports"][0]["port"] for s in OBJECTS if s["kind"] == "Service"}
        workspace = yaml.safe_load((FOLDER / "workspace.yaml").read_text())["load_from"][0]["grpc_server"]
        assert ports[workspace["host"]] == workspace["port"]
        assert literals()[TRACKING_VARIABLE] == f"http://mlflow:{ports['mlflow']}"
        assert ports[literals()["POSTGRES_HOST"]] == 5432
        profile = load_profile(str(FOLDER / "gpu-host.yaml"))
        for role in ("generator", "critic"):
            assert profile.engine_of(role).urls == (f"http://vllm-{role}:{ports[f'vllm-{role}']}",)
        assert not [s for s in OBJECTS if s["kind"] == "Service" and s["spec"].get("type", "ClusterIP") != "ClusterIP"]
        assert not named("Ingress")

    def test_nothing_comes_in_from_outside_the_namespace(self):
        [policy] = [o for o in OBJECTS if o["kind"] == "NetworkPolicy" and "Ingress" in o["spec"]["policyTypes"]]
        assert policy["spec"] == {
            "podSelector": {},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {}}]}],
        }

    def test_passwords_come_from_a_secret_that_no_file_holds(self):
        assert "Secret" not in {found["kind"] for found in OBJECTS}
        assert "secretGenerator" not in KUSTOMIZATION
        assert set(secrets_asked(OBJECTS)) == {"POSTGRES_PASSWORD", "VLLM_API_KEY"}
        assert not re.search("PASSWORD|SECRET|TOKEN|KEY", " ".join(literals()))

    def test_only_the_launcher_may_talk_to_the_cluster_and_only_about_runs(self):
        allowed = {name for name, pod in PODS.items() if pod.get("automountServiceAccountToken") is not False}
        assert allowed == {"webserver", "daemon"}
        assert {PODS[name]["serviceAccountName"] for name in allowed} == {"launcher"}
        [role] = [found for found in OBJECTS if found["kind"] == "Role"]
        [binding] = [found for found in OBJECTS if found["kind"] == "RoleBinding"]
        assert {subject["name"] for subject in binding["subjects"]} == {"launcher", RUN["service_account_name"]}
        assert {resource for rule in role["rules"] for resource in rule["resources"]} == {
            *("jobs", "jobs/status", "pods", "pods/log", "pods/status", "events")
        }

    def test_environment_is_read_by_our_code_or_by_the_instance(self):
        known = {PROFILE_VARIABLE, TRACKING_VARIABLE, HOME_VARIABLE, DEPLOYMENT_VARIABLE}
        assert {name for name in literals() if name.startswith("MARCO_")} <= known
        database = INSTANCE["storage"]["postgres"]["postgres_db"]
        wanted = {value["env"] for value in database.values() if isinstance(value, dict)}
        assert wanted <= {*literals(), *secrets_asked(OBJECTS)}


class TestInstance:
    def test_is_valid_and_differs_from_the_hosts_in_where_runs_start_alone(self, tmp_path: Path):
        (tmp_path / "dagster.yaml").write_text((FOLDER / "kubernetes/instance.yaml").read_text())
        config, _ = dagster_instance_config(str(tmp_path))
        host, _ = dagster_instance_config(str(FOLDER))
        assert {name for name in config if config[name] != host.get(name)} == {"run_launcher"}

    def test_a_run_has_no_gpu_and_its_pods_are_confined(self):
        run = RUN["run_k8s_config"]
        assert "limits" not in run["container_config"]["resources"]
        assert run["pod_spec_config"]["security_context"]["run_as_non_root"] is True
        assert run["container_config"]["security_context"] == {
            "allow_privilege_escalation": False,
            "read_only_root_filesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }

    def test_a_runs_pod_finds_what_it_needs_under_the_names_that_the_manifests_give(self):
        maps = {made["name"] for made in KUSTOMIZATION["configMapGenerator"]}
        assert {RUN["instance_config_map"], *RUN["env_config_maps"]} <= maps
        assert RUN["service_account_name"] in named("ServiceAccount")
        assert RUN["job_namespace"] == KUSTOMIZATION["namespace"]
        run = RUN["run_k8s_config"]
        volumes = {volume["name"]: volume for volume in run["pod_spec_config"]["volumes"]}
        mounts = {mount["name"]: mount["mount_path"] for mount in run["container_config"]["volume_mounts"]}
        assert mounts.keys() == volumes.keys()
        claims = {volume["persistent_volume_claim"]["claim_name"] for volume in volumes.values() if len(volume) > 1
                  and "persistent_volume_claim" in volume}  # fmt: skip
        assert claims <= named("PersistentVolumeClaim")
        [code] = PODS["code"]["containers"]
        shared = {mount["name"]: mount["mountPath"] for mount in code["volumeMounts"]}
        assert all(mounts[name] == shared[name] for name in mounts.keys() & shared.keys())
        assert literals()[PROFILE_VARIABLE].startswith(f"{mounts['profile']}/")


def pod_of(asset: str) -> dict[str, Any]:
    """The pod of an asset's step."""
    return job_of_a_step(asset)["spec"]["template"]["spec"]


class TestStepPods:
    """The pods as dagster-k8s makes them from the instance, the deployment's executor and the steps' own tags."""

    @pytest.mark.parametrize("asset", ["mcts_trees", "sft_checkpoint", "benchmark_scores"])
    def test_a_step_with_a_model_gets_a_gpu_on_a_node_that_has_one(self, asset: str):
        pod = pod_of(asset)
        [container] = pod["containers"]
        assert container["resources"]["limits"] == {"nvidia.com/gpu": "1"}
        assert container["resources"]["requests"] == {"cpu": "1", "memory": "16Gi"}
        for name in ("vllm-generator", "vllm-critic"):
            assert pod["nodeSelector"] == PODS[name]["nodeSelector"]
            assert PODS[name]["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "1"}
        assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]

    @pytest.mark.parametrize("asset", ["seed_prompts", "chains", "distillation_report"])
    def test_a_step_without_one_takes_none_from_those_that_need_it(self, asset: str):
        pod = pod_of(asset)
        assert "limits" not in pod["containers"][0]["resources"]
        assert not {"nodeSelector", "tolerations"} & pod.keys()

    @pytest.mark.parametrize("asset", ["seed_prompts", "mcts_trees"])
    def test_a_step_is_confined_sees_the_data_and_may_ask_the_cluster_for_nothing(self, asset: str):
        pod = pod_of(asset)
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
        assert "data" in {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}


class TestRay:
    CLUSTER = yaml.safe_load((FOLDER / "ray.yaml").read_text())

    def test_nodes_ask_for_a_secret_and_run_without_rights(self):
        options = self.CLUSTER["docker"]["run_options"]
        assert {"--user=10001", "--cap-drop=ALL", "--security-opt=no-new-privileges"} <= set(options)
        assert "--env=RAY_AUTH_MODE=token" in options
        assert "--volume=/etc/marco/ray-token:/etc/marco/ray-token:ro" in options

    def test_the_dashboard_is_the_heads_own(self):
        [start] = [command for command in self.CLUSTER["head_start_ray_commands"] if "ray start" in command]
        assert "--dashboard-host=127.0.0.1" in start
        assert "0.0.0.0" not in (FOLDER / "ray.yaml").read_text()
