"""What a run that finds trees, checkpoints and answers done still has to do, by library calls alone.

    MARCO_HOME=... MARCO_PROFILE=miniature python -m benchmarks.cheap_work

Reads the finished artifacts of one demo below the storage root; writes a report beside the real one.
"""

import os

import polars as pl

from marco_dag import curation, seeds
from marco_dag.engines import load_encoder
from marco_dag.evaluation import summarize
from marco_dag.profiles import load_profile
from marco_dag.report import write_report
from marco_dag.storage import Storage
from marco_dag.training import read_summary


def main() -> None:
    """Questions, chains, training sets, summaries, report."""
    storage, profile = Storage.from_environment(), load_profile(os.environ["MARCO_PROFILE"])
    questions = seeds.held_out_questions(profile.seeds, seed=profile.seed)
    prompts = seeds.generated_seeds(profile.seeds, seed=profile.seed, batch=seeds.GENERATED)
    [searched], [models] = storage.artifacts.glob("trees/*/trees.parquet"), storage.artifacts.glob("models/*/student")
    trees, thoughts = pl.read_parquet(searched), pl.read_parquet(searched.with_name("thoughts.parquet"))
    encode = load_encoder(models)
    chains = curation.extract_chains(trees, thoughts, encode)
    curation.balanced_cot(chains, prompts, profile.curation)
    pairs = curation.preference_pairs(chains, thoughts, prompts, encode, profile.chosen_ranks, profile.curation)
    trained = [*storage.artifacts.glob("sft/*/model"), *storage.artifacts.glob("second_stage/*/model")]
    scores = pl.concat(pl.read_parquet(file) for file in sorted(storage.artifacts.glob("scores/*/scores.parquet")))
    for checkpoint in scores.partition_by("checkpoint"):
        summarize(checkpoint, profile.evaluation.confidence)
    write_report(
        storage.root / "reports-by-library-calls",
        profile=profile,
        scores=scores,
        summary=summarize(scores, profile.evaluation.confidence),
        chains=chains,
        trees=trees,
        pairs=pairs,
        curves={folder.parent.name: read_summary(folder.parent).curve for folder in trained},
        questions=pl.concat([prompts, questions]),
    )


if __name__ == "__main__":
    main()
