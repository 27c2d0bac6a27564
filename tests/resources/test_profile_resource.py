"""The profile of a run: the chosen one, with the run's changes laid over it field by field."""

import pytest

from marco_dag.errors import ProfileError
from resources.profile import ProfileResource, chosen_profile


@pytest.fixture(autouse=True)
def _miniature(monkeypatch):
    """Whatever the profile of the process that runs the tests."""
    monkeypatch.delenv("MARCO_PROFILE", raising=False)
    chosen_profile.cache_clear()
    yield
    chosen_profile.cache_clear()


def test_without_changes_it_is_the_chosen_profile():
    assert ProfileResource().profile == chosen_profile()


def test_changes_are_merged_into_nested_fields_and_leave_the_others_alone():
    changed = ProfileResource(changes={"search": {"rollouts": 3}, "recipes": {"full": {"beta": 0.7}}}).profile
    base = chosen_profile()
    assert changed.search == base.search.model_copy(update={"rollouts": 3})
    assert changed.recipes["full"] == base.recipes["full"].model_copy(update={"beta": 0.7})
    assert changed.recipes["plain-dpo"] == base.recipes["plain-dpo"]
    assert chosen_profile().search.rollouts == base.search.rollouts


def test_a_list_is_replaced_as_a_whole():
    assert ProfileResource(changes={"seeds": {"tasks": ["letters"]}}).profile.seeds.tasks == ("letters",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"search": {"rollout": 3}}, "search.rollout"),
        ({"search": {"rollouts": 0}}, "search.rollouts"),
        ({"search": 7}, "search"),
        ({"recipes": {"new": {"description": "d", "sft_weight": 1.0}}}, "are the partitions of this code location"),
    ],
)
def test_what_cannot_be_changed_is_named(changes, message):
    with pytest.raises(ProfileError, match=message):
        _ = ProfileResource(changes=changes).profile
