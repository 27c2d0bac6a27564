"""What a step that runs a model asks of the machine, said once and honoured by whatever runs it.

On one machine the pool keeps such steps from running side by side; on Ray and on Kubernetes the tags reserve GPUs and
cores, as many as `resources.needs` says.
"""

import json

from resources.needs import reserved_cores, reserved_gpus

GPU_POOL = "gpu"
"""The concurrency pool; its size is in dagster.yaml."""

_POD_MEMORY = "16Gi"
"""What Kubernetes keeps free for such a step, beside its GPUs."""


def _pod(gpus: int, cores: int) -> dict[str, object]:
    """What Kubernetes is told of the step's pod; only one that needs a GPU asks for a node that has one."""
    limits = {"limits": {"nvidia.com/gpu": str(gpus)}} if gpus else {}
    pod: dict[str, object] = {
        "container_config": {"resources": {"requests": {"cpu": str(cores), "memory": _POD_MEMORY}, **limits}}
    }
    if gpus:
        pod["pod_spec_config"] = {
            "node_selector": {"nvidia.com/gpu.present": "true"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        }
    return pod


GPU_TAGS = {
    "dagster-ray/config": json.dumps({"num_gpus": reserved_gpus(), "num_cpus": reserved_cores()}),
    "dagster-k8s/config": json.dumps(_pod(reserved_gpus(), reserved_cores())),
}
"""Step tags (`op_tags`) read by dagster-ray and dagster-k8s."""

SHARDED_GPU_TAGS = {**GPU_TAGS, "dagster-ray/config": json.dumps({"num_gpus": 0, "num_cpus": 0})}
"""Tags of a step that on Ray only hands out work: each of its workers reserves what `GPU_TAGS` say."""
