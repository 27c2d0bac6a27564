"""What a step that runs a model reserves on the machines of a cluster, as the environment says for all of them."""

import os

from marco_dag.errors import ProfileError

GPUS_VARIABLE = "MARCO_GPUS"
"""Environment variable: GPUs that such a step reserves, and each worker of a search in shards; 0: it runs on cores."""
CORES_VARIABLE = "MARCO_CORES"
"""Environment variable: cores that it reserves beside them."""

WAIT_VARIABLE = "MARCO_RAY_WAIT_S"
"""Environment variable: seconds that a step, or a search's workers, may wait on Ray for a node with so much room."""


def reserved_gpus() -> int:
    """What `MARCO_GPUS` says, ≥ 0; 1 where it says nothing. ProfileError where it is no such number."""
    return _number(GPUS_VARIABLE, least=0)


def reserved_cores() -> int:
    """What `MARCO_CORES` says, ≥ 1; 1 where it says nothing. ProfileError where it is no such number."""
    return _number(CORES_VARIABLE, least=1)


def longest_wait_s() -> int:
    """What `MARCO_RAY_WAIT_S` says, ≥ 1; 600 where it says nothing. ProfileError where it is no such number."""
    return _number(WAIT_VARIABLE, least=1, default=600)


def _number(variable: str, *, least: int, default: int = 1) -> int:
    said = os.environ.get(variable) or str(default)
    if not said.isdecimal() or int(said) < least:
        raise ProfileError(f"{variable}: must be a whole number of at least {least}, not {said!r}")
    return int(said)
