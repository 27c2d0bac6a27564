"""MCTS decoding: what tree search brings a checkpoint at test time, beside sampling at the same tokens.

Stands beside the pipeline: nothing is made from it, and it runs only when it is asked for.
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl

from assets import OWNERS
from assets._checks import SCHEMA, blocking, schema_holds
from assets._gpu import GPU_POOL, GPU_TAGS
from assets._pictures import solved_by_tokens
from assets._students import student_of
from assets.partitions import CHECKPOINTS, OWN_RECIPE
from marco_dag.evaluation import ALL_BENCHMARKS, DECODING_VERSION, decode, questions_to_decode, summarize_decoding
from marco_dag.identity import JsonValue
from marco_dag.schemas import digest_frame
from resources.engines import EnginesResource
from resources.models import Models
from resources.steps import Steps

_DECODED_FILE = "decoded.parquet"


@dg.asset(
    ins={"dpo_checkpoint": dg.AssetIn(partition_mapping=OWN_RECIPE)},
    partitions_def=CHECKPOINTS,
    group_name="evaluation",
    kinds={"pytorch", "polars", "parquet"},
    owners=OWNERS,
    code_version=DECODING_VERSION,
    io_manager_key="tables",
    check_specs=[blocking(SCHEMA, "mcts_decoding")],
    pool=GPU_POOL,
    op_tags=GPU_TAGS,
)
def mcts_decoding(
    context: dg.AssetExecutionContext,
    held_out_questions: pl.DataFrame,
    benchmark_questions: pl.DataFrame,
    base_models: Models,
    sft_checkpoint: Models,
    dpo_checkpoint: dict[str, Models],
    steps: Steps,
    engines: EnginesResource,
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Tree search by one checkpoint alone, without references, beside sampling at the same tokens: Test@N."""
    with steps.open(context) as step:
        profile, checkpoint = step.profile, context.partition_key
        config = profile.evaluation
        model = student_of(checkpoint, base_models, sft_checkpoint, dpo_checkpoint)
        questions = questions_to_decode(held_out_questions, benchmark_questions, config)
        key: dict[str, JsonValue] = {
            "checkpoint": checkpoint,
            "model": model.digest,
            "questions": digest_frame(questions),
            "config": config.model_dump(mode="json", exclude={"confidence", "no_answer_limit"}),
            "search": profile.search.model_dump(mode="json", exclude={"live_sequences"}),
            "seed": profile.seed,
            "code": DECODING_VERSION,
        }

        def search(folder: Path) -> None:
            with engines.open(model.path(step.storage), profile.engine_of("student"), name=checkpoint) as engine:
                decoded = decode(
                    engine,
                    questions,
                    config,
                    profile.search,
                    checkpoint=checkpoint,
                    checkpoint_digest=model.digest,
                    seed=profile.seed,
                    folder=folder,
                )
            decoded.write_parquet(folder / _DECODED_FILE)

        artifact = step.reuse_or_make("decodings", key, search)
        decoded = pl.read_parquet(artifact.path / _DECODED_FILE)
        summary = summarize_decoding(decoded, config.confidence)
        overall = {
            f"{row['method']}, {row['tries']} tries": row
            for row in summary.filter(benchmark=ALL_BENCHMARKS).iter_rows(named=True)
        }
        for name, row in overall.items():
            step.run.log_metrics({f"{name}/{measure}": row[measure] for measure in ("solved", "chosen", "tokens")})
        yield step.finish(
            decoded,
            artifact=artifact,
            metadata={
                **{f"solved, {name}": row["solved"] for name, row in overall.items()},
                **{f"chosen is right, {name}": row["chosen"] for name, row in overall.items()},
                "Test@N": solved_by_tokens(summary) if overall else "(no question)",
            },
            checks=[schema_holds(decoded, "mcts_decoding")],
        )
