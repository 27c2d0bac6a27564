"""Several trainings by one set of ranks, each as its own launch would do it: `several_runs.py WHERE RUNS.json`.

A run is `{"source", "rows", "config", "seed", "folder"}`; with `"goes_on_from"`, the path of a state, it finds that one
in its folder, as if it had been killed after it. The claim a caller makes on a folder is not made.
"""

import json
import shutil
import sys
from pathlib import Path

import polars as pl
from torch import distributed
from torch.distributed.elastic.multiprocessing.errors import record

from marco_dag.training import RecipeConfig, SftConfig, ranks
from marco_dag.training.running import run


@record
def main() -> None:
    ranks.join(sys.argv[1])
    for values in json.loads(Path(sys.argv[2]).read_text()):
        config = (RecipeConfig if "description" in values["config"] else SftConfig).model_validate(values["config"])
        folder = Path(values["folder"])
        if distributed.get_rank() == 0:
            (folder / "states").mkdir(parents=True)
            if state := values.get("goes_on_from"):
                shutil.copytree(state, folder / "states" / Path(state).name)
        distributed.barrier()
        rows = pl.read_parquet(values["rows"])
        run(Path(values["source"]), rows, config, seed=values["seed"], folder=folder, arguments={})
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
