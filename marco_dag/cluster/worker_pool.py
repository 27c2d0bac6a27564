"""The workers of a sharded search: who has which shard, and what is done where one is lost with its node."""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

from marco_dag.cluster.config import ClusterConfig
from marco_dag.cluster.nodes import describe_nodes, room_for_workers
from marco_dag.cluster.search_task import SearchTask
from marco_dag.cluster.shard_worker import ShardWorker
from marco_dag.errors import ClusterError, EngineUnavailableError, MarcoError
from marco_dag.search import Shard

_SECONDS_BETWEEN_LOOKS = 1.0


class WorkerPool:
    """Workers on the cluster that this process is connected to. `close` it, whatever happens."""

    def __init__(self, task: SearchTask, config: ClusterConfig) -> None:
        import ray

        self._config = config
        self._task = task.model_dump_json()
        self._make = ray.remote(num_cpus=config.cpus, num_gpus=config.gpus, max_restarts=0)(ShardWorker)
        self._opening: dict[Any, Any] = {}
        self._searching: dict[Any, tuple[Any, Shard]] = {}
        self._lost: Counter[Shard | None] = Counter()

    def search(self, shards: Sequence[Shard], look: Callable[[int], None]) -> None:
        """Have all `shards` searched; about once a second `look` is called with the number of workers at it.

        A shard whose worker is lost is taken over by another one, from where it was. ClusterError where no node has
        room for a worker for too long, or a shard has lost too many of them; other errors as `search_into`. What was
        done is kept in any case, and a later call goes on from there.
        """
        import ray

        waiting = deque(shards)
        size = min(len(shards), self._config.workers or room_for_workers(self._config))
        somebody_worked = time.monotonic()
        while waiting or self._searching:
            while len(self._opening) + len(self._searching) < min(size, len(waiting) + len(self._searching)):
                worker = self._make.remote(self._task)
                self._opening[worker.open.remote()] = worker
            answers = [*self._opening, *self._searching]
            done, _ = ray.wait(answers, num_returns=1, timeout=_SECONDS_BETWEEN_LOOKS)
            for answer in done:
                self._take(answer, waiting)
            look(len(self._searching))
            if self._searching:
                somebody_worked = time.monotonic()
            elif time.monotonic() - somebody_worked > self._config.wait_s:
                raise self._no_room()

    def close(self) -> None:
        """End all workers at once, and with them what they started."""
        import ray

        for worker in [*self._opening.values(), *(worker for worker, _ in self._searching.values())]:
            ray.kill(worker)
        self._opening.clear()
        self._searching.clear()

    def _take(self, answer: Any, waiting: deque[Shard]) -> None:  # noqa: ANN401  Ray's references have no common type
        """A worker has opened its engines, has searched its shard, or is lost: what comes next for it and the shard."""
        import ray

        worker, shard = self._searching.pop(answer, (None, None))
        worker = worker or self._opening.pop(answer)
        if (loss := _loss(answer)) is not None:
            self._lost[shard] += 1
            if self._lost[shard] > self._config.attempts:
                raise ClusterError(
                    f"{shard.folder if shard else 'opening engines'}: {self._lost[shard]} workers were lost one after "
                    f"another; the last: {loss}"
                )
            if shard:
                waiting.appendleft(shard)
        elif waiting:
            following = waiting.popleft()
            self._searching[worker.search.remote(str(following.folder))] = worker, following
            return
        ray.kill(worker)

    def _no_room(self) -> ClusterError:
        return ClusterError(
            f"for {self._config.wait_s:g} s no worker came to work: no node has room for one, or its engines open too "
            f"slowly. It takes {self._config.cpus:g} cores and {self._config.gpus:g} GPUs; the nodes are "
            f"{describe_nodes()}. Add one that has it, wait for others' work, or have a worker take less."
        )


def _loss(answer: Any) -> str | None:  # noqa: ANN401  Ray's references have no common type
    """Why the worker that gave this answer is lost; None where it is not. Errors of the work itself are raised."""
    import ray

    try:
        ray.get(answer)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, EngineUnavailableError):
            return str(error.cause)
        if isinstance(error.cause, MarcoError):
            raise error.cause from error
        raise ClusterError(f"a worker failed: {error}") from error
    except ray.exceptions.RayError as error:
        return str(error).strip().splitlines()[0]
    return None
