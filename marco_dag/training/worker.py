"""One rank of a training, as torchrun starts it: `python -m marco_dag.training.worker JOB.json [MEETING]`.

With the file MEETING the ranks find one another through it (one node), without through torchrun's own store.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed
from torch.distributed.elastic.multiprocessing.errors import record

from marco_dag.errors import MarcoError
from marco_dag.guarded_process import end_with_parent
from marco_dag.training.job import Job
from marco_dag.training.running import run

_LONGEST_WAIT = timedelta(hours=2)
"""For ranks that wait on one that loads or saves a large model."""


@record
def main() -> None:
    """See the module."""
    end_with_parent()
    job = Job.read(Path(sys.argv[1]))
    _join(f"file://{sys.argv[2]}" if len(sys.argv) > 2 else "env://")
    try:
        run(job.source, job.rows, job.config, job.asked, seed=job.seed, folder=job.folder, arguments=job.arguments)
    except MarcoError as error:
        job.fail(str(error))
        raise SystemExit(1) from error
    distributed.destroy_process_group()


def _join(where: str) -> None:
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    assert device is not None
    if device.type != "cpu":
        torch.accelerator.set_device_index(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group(
        distributed.get_default_backend_for_device(device),
        init_method=where,
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
        timeout=_LONGEST_WAIT,
    )


if __name__ == "__main__":
    main()
