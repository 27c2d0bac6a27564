"""What a step that runs a model asks of the machine, said once and honoured by whatever runs it.

On one machine the pool keeps such steps from running side by side; on Ray and on Kubernetes the tags reserve a GPU.
"""

import json

GPU_POOL = "gpu"
"""The concurrency pool; its size is in dagster.yaml."""

GPU_TAGS = {
    "dagster-ray/config": json.dumps({"num_gpus": 1}),
    "dagster-k8s/config": json.dumps({"container_config": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}),
}
"""Step tags (`op_tags`) read by dagster-ray and dagster-k8s."""
