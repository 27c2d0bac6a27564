"""SFT and the joint cDPO objective with prefix masking (paper §3.3), on TRL.

Two stages with one shape: a checkpoint folder and a table go in, an ordinary Hugging Face folder comes out, and a call
that was killed goes on where it stopped. Importing this package is cheap; torch and TRL load with the first call.
"""

from marco_dag.training.budget import recipe_within_tokens, sft_within_tokens, tokens_per_epoch
from marco_dag.training.config import LoraConfig, ParallelConfig, RecipeConfig, SftConfig, StageConfig, WatchConfig
from marco_dag.training.stages import TRAINING_VERSION, train_recipe, train_sft
from marco_dag.training.summary import TrainingSummary, read_summary

__all__ = [
    "TRAINING_VERSION",
    "LoraConfig",
    "ParallelConfig",
    "RecipeConfig",
    "SftConfig",
    "StageConfig",
    "TrainingSummary",
    "WatchConfig",
    "read_summary",
    "recipe_within_tokens",
    "sft_within_tokens",
    "tokens_per_epoch",
    "train_recipe",
    "train_sft",
]
