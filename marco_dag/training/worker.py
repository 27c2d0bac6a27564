"""One rank of a training, as torchrun starts it: `python -m marco_dag.training.worker WHERE JOB.json`.

The ranks find one another at WHERE (`marco_dag.training.ranks.join`).
"""

import sys
from pathlib import Path

from torch import distributed

from marco_dag.errors import MarcoError
from marco_dag.guarded_process import end_with_parent
from marco_dag.training import ranks
from marco_dag.training.job import Job
from marco_dag.training.running import run


def main() -> None:
    """See the module."""
    where, path = sys.argv[1:]
    end_with_parent()
    job = Job.read(Path(path))
    ranks.join(where)
    try:
        run(
            job.source,
            job.rows,
            job.config,
            seed=job.seed,
            folder=job.folder,
            arguments=job.arguments,
            asked=job.asked,
        )
    except MarcoError as error:
        job.refuse(str(error))
        raise SystemExit(1) from error
    except Exception as error:
        job.fail(f"rank {distributed.get_rank()} of {ranks.count()}: {type(error).__name__}: {error}")
        raise
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
