#!/usr/bin/env bash
# A profile from questions to scores, for continuous integration: `dagster asset materialize`, asset by asset.
#
#   examples/ci.sh [SCORES.md]
#
# Run it where dagster.yaml lies, with the project's environment on PATH. MARCO_PROFILE and MARCO_HOME are read as
# everywhere. Writes the table of scores, in Markdown, of whatever was scored, also where something failed. The exit
# status is 1 where a step or a blocking check failed: what stands on it is not made, the rest is.
#
# Of $MARCO_HOME, `artifacts` is worth keeping from one run to the next: models, trees, checkpoints and answers, named by
# all that decides their content, so that an old one is never taken for a new one.
set -euo pipefail

scores=${1:-scores.md}
failed=()

materialize() { # SELECTION [PARTITION]
  echo "::: $1${2:+ [$2]}"
  dagster asset materialize -m marco_dag.definitions --select "$1" ${2:+--partition "$2"} && return
  failed+=("$1${2:+ [$2]}")
  return 1
}

names() { # EXPRESSION: what the code location knows, one name a line
  python - "$1" <<'PYTHON'
import sys
import polars as pl
from assets.partitions import BATCH_ASSETS
from marco_dag.storage import Storage
from resources.profile import chosen_profile

profile, table = chosen_profile(), Storage.from_environment().table_file
found = {
    "batch assets": lambda: [",".join(BATCH_ASSETS)],
    "batches": lambda: pl.read_parquet(table("seed_batches"))["batch"],
    "recipes": lambda: profile.recipes,
    "checkpoints": lambda: profile.checkpoints,
}
print(*found[sys.argv[1]](), sep="\n")
PYTHON
}

everything() {
  local batches batch_assets recipes checkpoints name
  # Dagster refuses a partition that it has not heard of: the first command registers the batches.
  materialize seed_batches,held_out_questions,watched_questions,benchmark_questions,benchmark_quarantine,base_models || return
  batches=$(names batches) && batch_assets=$(names "batch assets") || return
  recipes=$(names recipes) && checkpoints=$(names checkpoints) || return
  for name in $batches; do materialize "$batch_assets" "$name" || true; done
  materialize sft_checkpoint || return
  for name in $recipes; do materialize dpo_checkpoint "$name" || true; done
  for name in $checkpoints; do materialize benchmark_scores "$name" || true; done
  materialize distillation_report
}

status=0
everything || status=1
marco scores --markdown >"$scores" || status=1
cat "$scores"
if ((${#failed[@]})); then
  printf 'failed: %s\n' "${failed[@]}" >&2
  status=1
fi
exit "$status"
