"""What lineage has to know of the asset graph by name: who fills which table and who makes which checkpoint."""

PRODUCERS: dict[str, str] = {
    "seed_prompts": "seed_prompts",
    "seed_quarantine": "seed_prompts",
    "held_out_questions": "held_out_questions",
    "thoughts": "mcts_trees",
    "trees": "mcts_trees",
    "chains": "balanced_cot",
    "cot_set": "balanced_cot",
    "preference_pairs": "preference_pairs",
    "scores": "benchmark_scores",
}
"""Table → key of the asset that fills it, partition by partition. An asset named like the table counts as well."""

CHECKPOINT_ASSETS: dict[str, str] = {"base": "base_models", "sft": "sft_checkpoint"}
"""Name of a scored checkpoint → key of the asset it is the latest materialization of, or the one with its digest."""

RECIPE_ASSET = "dpo_checkpoint"
"""Key of the asset whose partitions are the second-stage recipes: every scored checkpoint of another name."""
