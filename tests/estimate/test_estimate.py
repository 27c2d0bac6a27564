"""The cost model: against a real run, and by hand."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from marco_dag.cli import main
from marco_dag.engines.config import ServerConfig, TransformersConfig, VllmConfig
from marco_dag.errors import ProfileError
from marco_dag.estimate import HARDWARE, Basis, Estimate, estimate
from marco_dag.estimate.costs import STEP_SECONDS, cost
from marco_dag.estimate.estimating import rehearsed
from marco_dag.estimate.priors import EMBEDDED, INSTRUCT
from marco_dag.estimate.questions import benchmark_responses, training_questions
from marco_dag.estimate.rehearsal import encode_words, rehearse
from marco_dag.estimate.sizes import ModelSize, model_size
from marco_dag.estimate.work import Models, StageWork, devices_of, stages_of
from marco_dag.estimate.yields import PairYield, TreeYield
from marco_dag.evaluation import BenchmarkConfig
from marco_dag.profiles import Profile, load_profile, parse_profile
from marco_dag.search.prompts import INSTRUCTIONS

MINIATURE = load_profile("miniature")

REAL_RUN = {
    "models": {"trained": 2850 * 1536, "seconds": 266.8},
    "trees": {"sampled": 555_927, "seconds": 58.2},
    "sft": {"trained": 893_625, "seconds": 49.1},
    "second stages": {"trained": 509_154 + 385_090 + 190_872, "seconds": 34.6 + 24.2 + 11.6},
    "scores": {"sampled": 895_446, "seconds": 44.8},
    "in all": {"sampled": 1_451_373, "seconds": 515, "kept": 30.2e6},
}
"""The run behind the README's table (seed 0, two shared cores): seconds of the artifacts, without the steps around
them, but in all; `marco sql` over trees and scores; `training.json` of the stages; the bytes below MARCO_HOME."""


@pytest.fixture(scope="module")
def found() -> Estimate:
    return estimate(MINIATURE, Basis())


def totals(found: Estimate, stage: str) -> dict[str, float]:
    prefixes = {"second stages": tuple(MINIATURE.recipes), "scores": ("scores of ",)}.get(stage, (stage,))
    picked = [each for each in (*found.stages, found.total) if each.stage.startswith(prefixes)]
    assert picked
    sums = {name: sum(getattr(each, name) for each in picked) for name in ("sampled", "trained", "seconds", "kept")}
    return sums | {"seconds": sums["seconds"] - (0 if stage == "in all" else STEP_SECONDS * len(picked))}


@pytest.mark.parametrize("stage", REAL_RUN)
def test_the_miniature_s_real_run_is_within_a_quarter(found: Estimate, stage: str) -> None:
    estimated = totals(found, stage)
    for name, real in REAL_RUN[stage].items():
        assert real / 1.25 <= estimated[name] <= real * 1.25, (stage, name, estimated[name] / real)


def test_the_cost_by_hand() -> None:
    machine = replace(
        HARDWARE["h100"], training=100.0, sampling_in_process=10.0, sampling_by_server=50.0, search_share=0.5
    )
    stages = [
        StageWork("trees", sampled=7, sampling=1000, kept=10, passing=90, engine="server", is_search=True, devices=4),
        StageWork("sft", trained=9, training=3000, kept=30, passing=50),
        StageWork("scores of sft", sampled=5, sampling=200, kept=1, engine="transformers"),
    ]
    trees, sft, scores = (result := cost(stages, machine)).stages
    assert trees.seconds == STEP_SECONDS + 1000 / (50 * 0.5 * 4)
    assert trees.gpu_hours == pytest.approx(4 * trees.seconds / 3600)
    assert sft.seconds == STEP_SECONDS + 30
    assert scores.seconds == STEP_SECONDS + 20
    kept = result.total.kept - 41
    assert result.peak_bytes == kept + 10 + 90
    assert (result.total.sampled, result.total.trained) == (12, 9)


def test_no_gpu_no_gpu_hours(found: Estimate) -> None:
    assert found.total.gpu_hours == 0


@pytest.mark.slow
def test_more_work_costs_more_in_proportion() -> None:
    double = {"seeds": {"generated_per_task": 2 * MINIATURE.seeds.generated_per_task}}
    more = estimate(changed(double), Basis())
    once = estimate(MINIATURE, Basis())
    for stage in ("trees", "sft", "second stages"):
        for name in ("sampled", "trained"):
            assert totals(more, stage)[name] == pytest.approx(2 * totals(once, stage)[name])
    longer = estimate(changed({"sft": {"epochs": 2 * MINIATURE.sft.epochs}}), Basis())
    assert totals(longer, "sft")["trained"] == pytest.approx(2 * totals(once, "sft")["trained"])


def test_the_search_s_settings_show_without_a_formula() -> None:
    base = rehearsed(MINIATURE)
    one_child = rehearsed(changed({"search": {"children": 1}}))
    best = rehearsed(changed({"search": {"strategy": "best-of-n", "samples": 4, "rollouts": 4}}))
    assert one_child.tokens < base.tokens
    assert best.tokens < base.tokens
    assert rehearsed(changed({"search": {"max_tree_tokens": 200}})).tokens < 300


def test_a_rehearsal_does_as_the_priors_say() -> None:
    forest, questions = rehearse(MINIATURE.search, replace(EMBEDDED, concentration=1e6), trees=40)
    thoughts = forest.thoughts.filter(pl.col("defect").is_null())
    assert thoughts.filter(is_answer=False)["tokens"].mean() == pytest.approx(EMBEDDED.thought_tokens, rel=0.1)
    assert thoughts.filter(is_answer=True)["tokens"].mean() == pytest.approx(EMBEDDED.answer_tokens, abs=0.5)
    first = thoughts.filter(is_answer=True, forced=False)["reward"].mean()
    assert first == pytest.approx(EMBEDDED.right, abs=0.1)
    again, _ = rehearse(MINIATURE.search, replace(EMBEDDED, concentration=1e6), trees=40)
    assert again.thoughts.equals(forest.thoughts)
    assert questions.height == 40


def test_a_rehearsed_word_is_a_token_and_so_is_a_tag() -> None:
    [ids] = encode_words(["<thinking>so w1 w2</thinking><answer>right</answer>"])
    assert len(ids) == 8
    assert encode_words([]) == []


def changed(changes: dict[str, dict[str, object]]) -> Profile:
    values = MINIATURE.model_dump(mode="json")
    for part, fields in changes.items():
        values[part] = {**values[part], **fields}
    return parse_profile(values, origin="changed")


class TestSizes:
    def of(self, source: str, **known: float) -> ModelSize:
        profile = Profile.model_validate({"name": "mine", "models": {"generator": source}})
        return model_size(profile, "generator", known)

    def test_the_embedded_model_is_counted_as_it_is_built(self) -> None:
        from marco_dag.miniature.models import build_model
        from marco_dag.miniature.tokenizer import build_tokenizer

        architecture = MINIATURE.miniature.architecture
        model = build_model(architecture, build_tokenizer(architecture.max_positions), seed=0)
        size = self.of("miniature")
        assert size.parameters == sum(parameter.numel() for parameter in model.parameters())
        assert size.is_embedded

    @pytest.mark.parametrize(
        ("name", "parameters"),
        [
            ("Qwen/Qwen2.5-0.5B-Instruct", 0.5e9),
            ("meta-llama/Llama-3.1-70B-Instruct", 70e9),
            ("HuggingFaceTB/SmolLM2-135M-Instruct", 135e6),
        ],
    )
    def test_a_name_says_it(self, name: str, parameters: float) -> None:
        assert self.of(name) == ModelSize(parameters, 2)

    def test_a_folder_s_weights_are_counted_unread(self, tmp_path: Path) -> None:
        import torch
        from safetensors.torch import save_file

        save_file({"a": torch.zeros(3, 4), "b": torch.zeros(5, dtype=torch.bfloat16)}, tmp_path / "model.safetensors")
        size = self.of(str(tmp_path))
        assert (size.parameters, size.bytes) == (17, pytest.approx(12 * 4 + 5 * 2))

    def test_what_cannot_be_known_is_asked_for(self, tmp_path: Path) -> None:
        with pytest.raises(ProfileError, match=r"models\.generator: acme/giant .* --parameters generator=7e9"):
            self.of("acme/giant")
        assert self.of("acme/giant", generator=3e9).parameters == 3e9
        with pytest.raises(ProfileError, match="holds no weights"):
            self.of(str(tmp_path))


class TestQuestions:
    def test_generated_limited_and_counted_sources_add_up(self, tmp_path: Path) -> None:
        (tmp_path / "rows.jsonl").write_text('{"prompt": "a"}\n\n{"prompt": "b"}\n')
        sources = {"hub": {"dataset": "x/y", "limit": 7}, "file": {"path": str(tmp_path / "rows.jsonl")}}
        seeds = {"tasks": ["planbench"], "generated_per_task": 5, "sources": sources}
        profile = Profile.model_validate({"name": "mine", "seeds": seeds})
        assert training_questions(profile) == 5 + 7 + 2
        assert training_questions(profile, 3) == 3

    def test_a_source_of_unknown_size_is_asked_for(self) -> None:
        profile = Profile.model_validate({"name": "mine", "seeds": {"sources": {"hub": {"dataset": "x/y"}}}})
        with pytest.raises(ProfileError, match=r"seeds\.sources\.hub: has no limit .* --questions"):
            training_questions(profile)

    def test_benchmarks_are_as_large_as_published_or_limited(self) -> None:
        assert benchmark_responses("GSM8K", BenchmarkConfig()) == 1319
        assert benchmark_responses("AIME", BenchmarkConfig()) == 30 * 16
        assert benchmark_responses("mine", BenchmarkConfig(format="GSM8K", limit=10, samples=4)) == 50


def test_devices_are_those_that_the_engines_name() -> None:
    vllm = VllmConfig(kind="vllm", gpus=("0,1",))
    assert devices_of([vllm, vllm]) == 2
    assert devices_of([vllm, VllmConfig(kind="vllm", gpus=("2", "3"), replicas=2)]) == 4
    assert devices_of([VllmConfig(kind="vllm", replicas=3)]) == 3
    assert devices_of([ServerConfig(kind="server", urls=("http://a:1", "http://b:1"))]) == 2
    assert devices_of([TransformersConfig()]) == 1


def test_the_work_of_training_by_hand() -> None:
    """Two pairs and three examples a tree, ten questions, a student of 1,000 weights of two bytes."""
    pair = PairYield(count=2, chosen_tokens=30, rejected_tokens=40)
    trees = TreeYield(1, 100, 0.25, 6, 4, 20, 3, 50, {"shortest": pair, "longest": pair})
    models = Models(*(ModelSize(parameters, 2) for parameters in (4000, 2000, 1000)))
    prompt = INSTRUCT.prompt_tokens

    def works(name: str) -> dict[str, StageWork]:
        return {work.stage: work for work in stages_of(load_profile(name), models, trees, INSTRUCT, 10)}

    whole, adapters = works("paper"), works("single-gpu")
    assert whole["sft"].trained == 10 * 3 * (50 + prompt + 1) * 2
    assert whole["full"].trained == 10 * 2 * (30 + 40 + 2 * (prompt + 1))
    assert whole["control"].trained == 10 * 2 * (30 + prompt + 1)
    assert whole["sft"].training == 6 * 1000 * whole["sft"].trained
    assert adapters["sft"].training == 4 * 1000 * adapters["sft"].trained
    assert whole["full"].training == (6 + 2) * 1000 * whole["full"].trained
    assert whole["control"].training == 6 * 1000 * whole["control"].trained
    assert whole["sft"].passing == 2 * 12 * 1000
    assert adapters["sft"].passing == 0
    assert whole["trees"].sampled == 1000
    system = len(INSTRUCTIONS) / 4
    assert whole["trees"].sampling == pytest.approx(
        2 * 10 * (4000 * (75 + prompt + system) + 2000 * (25 + prompt + system))
    )
    assert whole["trees"].devices == 8
    assert whole["sft"].devices == 1


class TestCommand:
    def test_prints_a_table_and_what_it_rests_on(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["estimate", "miniature"]) == 0
        out = capsys.readouterr().out
        assert all(stage in out for stage in ("models", "trees", "sft", "plain-dpo", "scores of control", "in all"))
        assert "two cores of a shared x86-64 server" in out
        assert "rehearsed from priors" in out

    def test_as_json_with_rates_of_one_s_own(self, capsys: pytest.CaptureFixture[str]) -> None:
        main(["estimate", "miniature", "--json"])
        usual = json.loads(capsys.readouterr().out)
        main(["estimate", "miniature", "--json", "--training-rate", "150e9", "--questions", "960"])
        fast = json.loads(capsys.readouterr().out)
        assert usual["hardware"] == fast["hardware"] == "cpu"
        models = [run["stages"][0]["seconds"] - STEP_SECONDS for run in (usual, fast)]
        assert models[0] == pytest.approx(2 * models[1])
        assert usual["stages"][1] == fast["stages"][1]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--hardware", "abacus"], "--hardware: no 'abacus'; known: cpu, l4"),
            (["--pilot", "3", "--root", "nowhere"], "holds no embedded models yet; materialize base_models first"),
        ],
    )
    def test_refuses_with_what_to_do(
        self, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["estimate", "miniature", *arguments]) == 2
        assert message in capsys.readouterr().err
