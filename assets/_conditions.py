"""When an asset is made anew by itself, once the automation sensor is turned on in the web UI."""

import dagster as dg

AFTER_SFT = dg.AutomationCondition.eager().ignore(dg.AssetSelection.assets("preference_pairs"))
"""The second stage follows a new SFT checkpoint; new pairs wait for the next one (`retrain_on_new_chains`)."""

AFTER_UPSTREAM = dg.AutomationCondition.eager()
"""Scores follow checkpoints, and the report follows scores."""
