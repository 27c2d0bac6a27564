"""The storage root as a resource."""

import dagster as dg

from resources.storage import StorageResource


def test_an_asset_gets_the_places_below_the_configured_root(tmp_path):
    @dg.asset
    def report(home: StorageResource) -> str:
        return str(home.storage.reports)

    result = dg.materialize([report], resources={"home": StorageResource(root=str(tmp_path))})
    assert result.output_for_node("report") == str(tmp_path / "reports")


def test_the_default_root_is_the_environments(monkeypatch, tmp_path):
    monkeypatch.setenv("MARCO_HOME", str(tmp_path / "elsewhere"))
    assert StorageResource().storage.root == tmp_path / "elsewhere"
