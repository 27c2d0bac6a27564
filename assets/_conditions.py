"""When an asset is made anew by itself, once the automation sensor is turned on in the web UI."""

import dagster as dg

AFTER_SFT = dg.AutomationCondition.eager().ignore(dg.AssetSelection.assets("preference_pairs", "watched_questions"))
"""The second stage follows a new SFT checkpoint; new pairs wait for the next one (`retrain_on_new_chains`), and so do
watched questions, which every search of a batch writes again."""

AFTER_CHECKPOINTS = dg.AutomationCondition.eager()
"""Scores follow the checkpoint they are of."""

AFTER_SCORES = (
    dg.AutomationCondition.eager()
    .without(~dg.AutomationCondition.any_deps_missing())
    .allow(dg.AssetSelection.assets("benchmark_scores"))
)
"""The report follows any new scores, also while others are missing: it shows them as gaps."""
