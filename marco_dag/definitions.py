"""The roof: wires assets, resources and automation into one code location. Nothing else here knows Dagster."""

import dagster as dg

import assets
from assets.alerts import alert_on_failure
from assets.automation import new_seed_files, retrain_on_new_chains, search_batch, train_again
from resources.deployments import chosen_deployment, executor_for, resources_for
from resources.run_workers import watched

defs = dg.Definitions(
    assets=dg.load_assets_from_package_module(assets),
    jobs=[search_batch, train_again],
    sensors=[new_seed_files, alert_on_failure],
    schedules=[retrain_on_new_chains],
    resources=resources_for(chosen_deployment()),
    executor=watched(executor_for(chosen_deployment())),
)
