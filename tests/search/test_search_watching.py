"""Another process sees what a search has done so far, while it runs and after it was killed."""

import json
import time
from pathlib import Path

import polars as pl
import pytest

from marco_dag.cli import main
from marco_dag.cli.watch import Searches
from marco_dag.search import TREES_FILE, SearchView, SearchWatch
from marco_dag.storage import Storage
from tests.search.quick_search import TREES, search
from tests.search.test_search_resume import kill_while_it_searches, start


def test_nothing_is_seen_of_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        SearchWatch(tmp_path).look()


def test_a_search_that_was_cut_off_shows_what_it_holds_and_that_nobody_is_at_it(tmp_path: Path) -> None:
    calls = search(tmp_path / "whole")
    search(tmp_path / "cut", calls // 2)
    view = SearchWatch(tmp_path / "cut" / "search").look()
    assert view.trees == TREES
    assert view.so_far.calls == calls // 2
    assert 0 < view.so_far.done < TREES
    assert 0 < view.so_far.solved <= view.so_far.done
    assert not view.running


def test_looks_at_a_running_search_add_up_to_its_tables(tmp_path: Path) -> None:
    process = start(tmp_path)
    views: list[SearchView] = []
    watch = SearchWatch(tmp_path / "search")
    while process.poll() is None:
        try:
            views.append(watch.look())
        except FileNotFoundError:
            continue  # not begun yet, or over
        time.sleep(0.05)
    process.communicate()
    done = [view.so_far.done for view in views]
    assert len(views) > 5
    assert done == sorted(done)
    assert [view.so_far.tokens for view in views] == sorted(view.so_far.tokens for view in views)
    assert all(view.running and f"process {process.pid} on" in view.holder for view in views[1:-1])
    trees = pl.read_parquet(tmp_path / TREES_FILE)
    assert views[-1].so_far.done >= 0.8 * trees.height
    assert views[-1].so_far.tokens <= trees["tokens"].sum()


class TestCommand:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """A storage root in which a search was killed."""
        folder = Storage(tmp_path).artifacts / "trees" / "trees-1.partial"
        folder.mkdir(parents=True)
        assert kill_while_it_searches(folder, 0.8)
        return tmp_path

    def test_one_look_as_json(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["watch", "--once", "--every", "0.01", "--json", "--root", str(root)]) == 0
        [line] = capsys.readouterr().out.splitlines()
        seen = json.loads(line)
        assert seen["search"] == "trees/trees-1.partial/search"
        assert seen["trees"] == 150
        assert seen["tokens"] > 0
        assert not seen["running"]

    def test_a_table_says_what_to_do_with_a_search_that_nobody_is_at(self, root: Path, capsys) -> None:
        assert main(["watch", "--once", "--every", "0.01", "--root", str(root)]) == 0
        shown = capsys.readouterr().out
        assert "/150" in shown
        assert "nobody: run it again to go on" in shown

    def test_without_a_search_it_says_so(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["watch", "--root", str(tmp_path)]) == 2
        assert "no search is under way below" in capsys.readouterr().err


def test_rates_are_those_of_the_last_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Storage(tmp_path).artifacts / "trees" / "trees-1.partial"
    calls = search(tmp_path / "whole")
    moments = iter((0.0, 50.0, 100.0))
    searches = Searches(Storage(tmp_path), clock=lambda: next(moments))
    search(folder, calls // 4)
    [first] = searches.look()
    assert (first["tokens_per_s"], first["seconds_left"]) == (0.0, None)
    search(folder, calls // 4)
    [second] = searches.look()
    assert second["tokens_per_s"] == pytest.approx((second["tokens"] - first["tokens"]) / 50, abs=0.1)
    search(folder, calls // 4)
    [third] = searches.look()  # the first look is older than a minute
    assert third["tokens_per_s"] == pytest.approx((third["tokens"] - second["tokens"]) / 50, abs=0.1)
    left = (third["trees"] - third["done"]) / ((third["done"] - second["done"]) / 50)
    assert third["seconds_left"] == pytest.approx(left, abs=1)
