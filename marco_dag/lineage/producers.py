"""What lineage has to know of the asset graph by name: who fills which table and who makes which checkpoint."""

from marco_dag.schemas import TABLES

_OTHERWISE_NAMED = {"trees": "mcts_trees", "cot_set": "balanced_cot", "scores": "benchmark_scores"}

PRODUCERS: dict[str, str] = {table: _OTHERWISE_NAMED.get(table, table) for table in TABLES}
"""Table → key of the asset that fills it, partition by partition."""

CHECKPOINT_ASSETS: dict[str, str] = {"base": "base_models", "sft": "sft_checkpoint"}
"""Name of a scored checkpoint → key of the asset that made it."""

RECIPE_ASSET = "dpo_checkpoint"
"""Key of the asset whose partitions are the second-stage recipes: every scored checkpoint of another name."""

TRAINED_ASSETS = frozenset({CHECKPOINT_ASSETS["sft"], RECIPE_ASSET})
"""Keys of the assets that are trained on a training set."""
