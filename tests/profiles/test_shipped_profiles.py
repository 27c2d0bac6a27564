"""The profiles that come with the package: valid, with a header that says how to run them and what they cost."""

import re
from importlib.resources import files
from itertools import pairwise

import pytest

from marco_dag.cli import main
from marco_dag.profiles import Profile, load_profile, shipped_profiles

NAMES = ["miniature", "paper", "single-gpu", "small"]


def header(name: str) -> str:
    text = (files("marco_dag.profiles") / f"{name}.yaml").read_text()
    return "".join(line + "\n" for line in text.splitlines() if line.startswith("#"))


def test_these_are_shipped():
    assert list(shipped_profiles()) == NAMES


@pytest.mark.parametrize("name", NAMES)
class TestProfile:
    def test_is_valid_and_called_as_its_file(self, name: str):
        assert load_profile(name).name == name

    def test_says_how_to_run_it_and_on_what(self, name: str):
        said = header(name)
        assert re.search(r"^# Run it: .*make demo", said, re.MULTILINE)
        assert "Hardware: " in said
        assert name == "miniature" or f"MARCO_PROFILE={name}" in said

    @pytest.mark.slow
    def test_says_what_it_costs_as_the_cost_model_has_it(self, name: str, capsys: pytest.CaptureFixture[str]):
        estimates = re.findall(rf"^# (marco estimate {name}.*?): (.*)$", header(name), re.MULTILINE)
        assert estimates
        for command, said in estimates:
            assert main(command.split()[1:]) == 0
            found = capsys.readouterr().out.splitlines()[-1].removeprefix("in short: ")
            assert said == found, f"{name}.yaml: renew the header's line of `{command}`"

    def test_holds_the_full_recipe_and_the_control_without_preferences(self, name: str):
        recipes = load_profile(name).recipes
        full, control = recipes["full"], recipes["control"]
        assert (full.chosen, full.sft_weight, full.prefix_masking) == ("shortest", 1.0, "dpo")
        assert full.label_smoothing > 0
        assert (control.preference_weight, control.chosen) == (0.0, "shortest")

    def test_trains_within_what_curation_lets_through(self, name: str):
        profile = load_profile(name)
        longest = profile.curation.max_chain_tokens
        assert longest
        assert all(stage.max_tokens > longest for stage in (profile.sft, *profile.recipes.values()))


def models(profile: Profile) -> set[str]:
    return set(profile.models.model_dump().values())


def test_each_is_what_its_name_promises():
    small, single, paper = (load_profile(name) for name in ("small", "single-gpu", "paper"))
    assert models(load_profile("miniature")) == {"miniature"}
    assert all("0.5B" in model for model in models(small))
    assert small.engine.kind == "transformers"
    assert [single.engine_of(role).kind for role in ("generator", "critic", "student")] == ["vllm"] * 3
    assert single.engine_of("generator").gpus == single.engine_of("critic").gpus == ("0",)
    assert all(stage.lora for stage in (small.sft, single.sft, *single.recipes.values()))
    assert ("72B" in paper.models.generator, "70B" in paper.models.critic, "8B" in paper.models.student) == (True,) * 3
    assert not any(stage.lora for stage in (paper.sft, *paper.recipes.values()))


def test_the_paper_s_ladder_takes_one_step_at_a_time():
    recipes = load_profile("paper").recipes
    rungs = [recipes[name] for name in ("plain-dpo", "length-balance", "cdpo", "joint", "full")]
    settings = [
        rung.model_dump(include={"chosen", "label_smoothing", "sft_weight", "prefix_masking", "beta", "learning_rate"})
        for rung in rungs
    ]
    for lower, upper in pairwise(settings):
        assert sum(lower[name] != upper[name] for name in lower) == 1
