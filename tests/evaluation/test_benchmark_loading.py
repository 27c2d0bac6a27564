"""From a file or a data set to questions: every format, every fault."""

import json

import polars as pl
import pytest

from marco_dag.errors import EvaluationError
from marco_dag.evaluation import BenchmarkConfig, load_benchmark
from marco_dag.evaluation.benchmarks.loading import fill
from marco_dag.profiles import parse_profile
from marco_dag.schemas import BENCHMARK_QUARANTINE, BENCHMARK_QUESTIONS

ROWS = [
    {"question": "Two and two?", "answer": "2+2=<<2+2=4>>4\n#### 4"},
    {"question": "Three and three?", "answer": "#### 6"},
    {"question": "A dozen?", "answer": "#### 12"},
]


def write(path, rows=ROWS):
    """`rows` in the format that the file's suffix says."""
    if path.suffix == ".csv":
        pl.DataFrame(rows).write_csv(path)
    elif path.suffix == ".parquet":
        pl.DataFrame(rows).write_parquet(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))


def load(path, name="GSM8K", **config):
    return load_benchmark(name, BenchmarkConfig(source=str(path), **config), root=path.parent)


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json", ".csv", ".parquet", ".JSONL"])
def test_every_format_gives_the_same_questions(tmp_path, suffix):
    write(tmp_path / f"test{suffix}")
    read = load(tmp_path / f"test{suffix}")
    assert read.questions.schema == BENCHMARK_QUESTIONS
    assert read.quarantine.schema == BENCHMARK_QUARANTINE
    assert read.quarantine.is_empty()
    write(tmp_path / "same.jsonl")
    assert read.questions.drop("source").equals(load(tmp_path / "same.jsonl").questions.drop("source"))


def test_a_row_becomes_a_question_as_it_is_asked(tmp_path):
    write(tmp_path / "test.jsonl")
    question = load(tmp_path / "test.jsonl").questions.row(0, named=True)
    assert question["question_id"].startswith("question-")
    assert (question["benchmark"], question["task"], question["source"]) == ("GSM8K", "math", "test.jsonl")
    assert (question["key"], question["language"], question["question"]) == (None, None, "Two and two?")
    boxed = "Two and two?\nPlease reason step by step, and put your final answer within \\boxed{}."
    assert json.loads(question["prompts"]) == [boxed]
    assert json.loads(question["reference"]) == [{"answer": "4"}]


def test_a_relative_path_starts_at_the_root(tmp_path):
    write(tmp_path / "test.jsonl")
    assert load_benchmark("GSM8K", BenchmarkConfig(source="test.jsonl"), root=tmp_path).questions.height == 3


def test_the_limit_takes_the_first_good_rows(tmp_path):
    write(tmp_path / "test.jsonl", ["{", *ROWS])
    read = load(tmp_path / "test.jsonl", limit=2)
    assert read.questions["question"].to_list() == ["Two and two?", "Three and three?"]
    assert read.quarantine.height == 1


def test_the_prompt_of_the_profile_is_asked_and_makes_other_questions(tmp_path):
    write(tmp_path / "test.jsonl")
    mine = load(tmp_path / "test.jsonl", prompt="Q: {question}\n{braces} A:").questions
    assert json.loads(mine["prompts"][0]) == ["Q: Two and two?\n{braces} A:"]
    assert not set(mine["question_id"]) & set(load(tmp_path / "test.jsonl").questions["question_id"])


def test_what_a_question_says_is_never_taken_for_a_placeholder():
    assert fill("{example}|{question}|{example}", "{example}{question}", "e") == "e|{example}{question}|e"


def test_bad_rows_are_named_with_their_reason_and_the_good_ones_are_kept(tmp_path):
    bad = [
        '{"question": "cut off',
        "[1, 2]",
        {"question": "How many?"},
        {"question": "How many?", "answer": "many"},
        {"question": " ", "answer": "#### 1"},
        {"question": 7, "answer": "#### 1"},
        {"question": "x" * 200_001, "answer": "#### 1"},
        '{"question": "How many?", "answer": NaN}',
        {"question": "\ud800", "answer": "#### 1"},
        {"question": "Two and two?", "answer": "#### 4"},
    ]
    write(tmp_path / "test.jsonl", [ROWS[0], *bad, *ROWS[1:]])
    read = load(tmp_path / "test.jsonl")
    assert read.questions["question"].to_list() == [row["question"] for row in ROWS]
    assert read.quarantine["row"].to_list() == list(range(2, 12))
    fields = [None, None, "answer", "answer", "question", "question", "question", None, "reference", "question"]
    assert read.quarantine["field"].to_list() == fields
    reasons = dict(read.quarantine.select("row", "reason").rows())
    assert "not JSON" in reasons[2]
    assert "must be an object, not list" in reasons[3]
    assert "missing; the row has no 'answer', but question" in reasons[4]
    assert "no number" in reasons[5]
    assert reasons[6] == "blank"
    assert "must be a string, not int" in reasons[7]
    assert "200,001 characters" in reasons[8]
    assert "NaN is not JSON" in reasons[9]
    assert "surrogates not allowed" in reasons[10]
    assert reasons[11] == "duplicate of row 1"
    assert read.quarantine["raw"].str.len_chars().max() <= 2000


def test_a_gold_answer_that_the_verifier_cannot_read_is_quarantined(tmp_path):
    rows = [{"problem": "x?", "answer": r"\frac{"}, {"problem": "y?", "answer": "2"}]
    write(tmp_path / "test.jsonl", rows)
    read = load(tmp_path / "test.jsonl", "MATH-500")
    assert read.questions["question"].to_list() == ["y?"]
    assert read.quarantine["field"].to_list() == ["reference"]
    assert "cannot read" in read.quarantine["reason"][0]


def test_a_repeated_id_is_quarantined_and_a_repeated_question_under_another_id_is_not(tmp_path):
    rows = [{"id": 1, **ROWS[0]}, {"id": 1, **ROWS[1]}, {"id": 2, **ROWS[0]}]
    write(tmp_path / "test.jsonl", rows)
    read = load(tmp_path / "test.jsonl")
    assert read.questions["key"].to_list() == ["1", "2"]
    assert read.questions["question_id"].n_unique() == 2
    assert read.quarantine.select("row", "field", "reason").rows() == [(2, "id", "duplicate of row 1")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "benchmark GSM8K, a.jsonl: has no rows"),
        ("a.jsonl", b"\n \n", "has no rows"),
        ("a.json", b"[]", "has no rows"),
        ("a.json", b"{}", "must be a list of rows"),
        ("a.json", b"[", "not JSON"),
        ("a.csv", b"", "not readable as csv"),
        ("a.csv", b"question,reply\nTwo?,4\n", "none of 1 rows can be asked; row 1, field 'answer': missing"),
        ("a.parquet", b"PAR1", "not readable as parquet"),
        ("a.jsonl", b'{"question": "Two?", "answer": "two"}', "none of 1 rows can be asked; row 1, field 'answer': no"),
        ("a.jsonl", b"\xff\xfe", "row 1: not UTF-8 at byte 1"),
        ("a.jsonl", b"[" * 100_000, "row 1: nested too deeply"),
    ],
)
def test_a_file_without_a_good_row_is_an_error_that_names_file_row_and_field(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EvaluationError) as caught:
        load(tmp_path / name)
    assert message in str(caught.value)
    assert name in str(caught.value)


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(EvaluationError, match=r"gone\.jsonl: No such file or directory; check that it is there"):
        load(tmp_path / "gone.jsonl")


class TestHub:
    @pytest.fixture(autouse=True)
    def _own_cache(self, tmp_path, monkeypatch):
        import datasets

        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
        datasets.disable_progress_bars()

    def test_a_folder_is_read_as_the_hub_is(self, tmp_path):
        (tmp_path / "mine").mkdir()
        write(tmp_path / "mine" / "test.jsonl")
        read = load_benchmark("GSM8K", BenchmarkConfig(source=str(tmp_path / "mine"), split="test"), root=tmp_path)
        assert read.questions["question"].to_list() == [row["question"] for row in ROWS]

    def test_what_cannot_be_had_is_named_with_what_to_do_instead(self, tmp_path, monkeypatch):
        import datasets

        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(EvaluationError) as caught:
            load_benchmark("GSM8K", BenchmarkConfig(), root=tmp_path)
        assert "the data set openai/gsm8k, main, split test cannot be read" in str(caught.value)
        assert "give that file's path as the benchmark's source" in str(caught.value)


class TestProfile:
    def parse(self, **benchmarks):
        return parse_profile({"name": "mine", "evaluation": {"benchmarks": benchmarks}}, origin="mine").evaluation

    def test_a_benchmark_needs_nothing_but_its_name(self):
        config = self.parse(AIME={})
        procedure = config.benchmarks["AIME"].procedure("AIME")
        assert (procedure.greedy, procedure.samples) == (False, 16)
        assert (procedure.temperature, procedure.top_p) == (0.6, 0.95)
        assert config.benchmarks["AIME"].hub("AIME").path == "HuggingFaceH4/aime_2024"

    def test_what_the_profile_says_comes_before_what_the_field_does(self):
        config = self.parse(AIME={"samples": 4, "greedy": True}).benchmarks["AIME"].procedure("AIME")
        assert (config.greedy, config.samples, config.temperature) == (True, 4, 0.6)

    def test_a_format_allows_a_name_of_its_own(self):
        config = self.parse(**{"AIME 2025": {"format": "aime", "source": "aime2025.jsonl"}})
        assert config.benchmarks["AIME 2025"].benchmark("AIME 2025").name == "AIME"

    @pytest.mark.parametrize(
        ("benchmarks", "message"),
        [
            ({"GSM9K": {}}, "no benchmark 'GSM9K'; known: GSM8K, MATH-500, AIME"),
            ({"letters": {"format": "GSM8K"}}, "'letters' cannot name one"),
            ({"all": {"format": "GSM8K"}}, "'all' cannot name one"),
            ({"a/b": {"format": "GSM8K"}}, "'a/b' cannot name one"),
            ({"GSM8K": {"prompt": "Solve it."}}, "must hold {question}"),
            ({"GSM8K": {"greedy": False}}, "GSM8K: neither greedy nor sampled"),
            ({"GSM8K": {"sauce": "x"}}, "sauce"),
        ],
    )
    def test_a_wrong_one_is_refused(self, benchmarks, message):
        with pytest.raises(Exception, match="mine") as caught:
            self.parse(**benchmarks)
        assert message in str(caught.value)
