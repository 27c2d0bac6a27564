"""Which seeds are a benchmark's question: equal ones always, those that share a long run of words, and no others."""

import json
import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marco_dag.schemas import SEED_PROMPTS, TABLES
from marco_dag.seeds import GENERATED, QUESTION_TEXTS, Decontamination, DecontaminationConfig, question_texts
from marco_dag.seeds.overlap import OverlapIndex
from marco_dag.seeds.wording import narrow_form, words_of

QUESTION = "Janet's ducks lay 16 eggs per day. She eats three for breakfast, and sells the rest; what does she make?"
SHORT = "How many primes are there below one hundred?"  # eight words


def questions(*texts: str, benchmark: str = "GSM8K") -> pl.DataFrame:
    return pl.DataFrame(
        [(benchmark, f"q{n}", text) for n, text in enumerate(texts)], schema=QUESTION_TEXTS, orient="row"
    )


def seeds(*prompts: str, task: str = "math", source: str = "mine") -> pl.DataFrame:
    rows = [(f"seed-{n}", task, prompt, "{}", source, "train", "b") for n, prompt in enumerate(prompts)]
    return pl.DataFrame(rows, schema=SEED_PROMPTS, orient="row")


def plain(text: str) -> str:
    return " ".join(words_of(text))


def found(asked: pl.DataFrame, given: pl.DataFrame, **config: object) -> list[tuple]:
    overlaps = Decontamination(asked, DecontaminationConfig.model_validate(config)).overlaps(given)
    return overlaps.select("seed", "question_id", "match", "words", "overlap").rows()


@pytest.mark.parametrize(
    "prompt",
    [
        QUESTION,
        QUESTION.upper(),
        f"  {QUESTION.replace(' ', '   ')}\n",
        QUESTION.replace("'", "’").replace(",", " -").rstrip("?") + " …",
        QUESTION.replace("16", "１６").replace("per", "p\u200ber"),
        f"**{QUESTION}**",
    ],
)
def test_a_question_in_another_dress_is_the_same_question(prompt):
    [(seed, question, match, words, _)] = found(questions("Another one?", QUESTION), seeds("What is 1+1?", prompt))
    assert (seed, question, match, words) == (1, "q1", "equal", 20)


def test_a_run_of_thirteen_words_is_an_overlap_and_one_of_twelve_is_not():
    thirteen = "ducks lay 16 eggs per day she eats three for breakfast and sells"
    twelve = "lay 16 eggs per day she eats three for breakfast and sells"
    prompts = [f"Her other {thirteen} them.", f"Her other birds {twelve} them."]
    assert found(questions(QUESTION), seeds(*prompts)) == [(0, "q0", "n-gram", 13, thirteen)]
    assert len(found(questions(QUESTION), seeds(*prompts), words=12)) == 2


def test_the_report_holds_the_whole_run_and_the_longest_one():
    start, end = "one two three four five six seven eight", "nine ten eleven twelve thirteen fourteen fifteen"
    asked = questions(f"{start} {end}")
    assert found(asked, seeds(f"x {start} y {end} z"), words=5, min_words=5) == [(0, "q0", "n-gram", 8, start)]
    assert found(asked, seeds(f"{start} {end} z"), words=5, min_words=5)[0][3] == 15


def test_a_short_question_counts_where_a_seed_holds_all_of_it():
    within = f"Think first. {SHORT} Then double it."
    assert found(questions(SHORT), seeds(within)) == [(0, "q0", "n-gram", 8, SHORT.lower().rstrip("?"))]
    assert found(questions(SHORT), seeds(within), min_words=9) == []
    assert found(questions("What is two and two?"), seeds("So what is two and two?")) == []
    assert found(questions("What is two and two?"), seeds("what IS two, and two")) == [
        (0, "q0", "equal", 5, "what is two and two")
    ]


def test_a_common_phrase_of_a_benchmark_counts_for_nothing_but_an_equal_question_does():
    phrase = "where m and n are relatively prime positive integers find the sum of m and n"
    asked = questions(*(f"The number {n} is special, {phrase}." for n in range(11)))
    given = seeds(f"A circle has an area of m/n, {phrase}.", f"The number 3 is special, {phrase}!")
    assert found(asked, given) == [(1, "q3", "equal", 21, plain(f"the number 3 is special {phrase}"))]
    assert len({seed for seed, *_ in found(asked, given, common=11)}) == 2


def test_two_copies_of_a_question_in_two_benchmarks_make_no_common_phrase():
    asked = pl.concat([questions(QUESTION, benchmark=f"set {n}") for n in range(4)])
    overlaps = Decontamination(asked, DecontaminationConfig(common=1)).overlaps(seeds(f"Well: {QUESTION}"))
    assert overlaps["benchmark"].to_list() == ["set 0", "set 1", "set 2", "set 3"]


def test_what_is_put_together_from_phrases_is_compared_as_a_whole():
    near = QUESTION.replace("16", "17")
    assert found(questions(QUESTION), seeds(near, task="planbench")) == []
    assert found(questions(QUESTION), seeds(near, task="ifeval", source=GENERATED)) == []
    assert found(questions(QUESTION), seeds(near, task="ifeval"), words=12) != []
    assert found(questions(QUESTION), seeds(QUESTION.upper(), task="planbench"))[0][2] == "equal"


def test_texts_without_spaces_are_compared_character_by_character():
    question = "珍妮特的鸭子每天下十六个蛋，她早餐吃三个。"
    assert len(words_of(question)) == 19
    [(_, _, match, words, _)] = found(questions(question), seeds(f"请回答：{question[:-3]}四个？"))
    assert (match, words) == ("n-gram", 17)
    assert words_of("नमस्ते दुनिया") == ["नमस्ते", "दुनिया"]


def test_the_turns_of_a_conversation_and_planbench_s_problems_count_each():
    turns = ["Write a poem.", "Now shorter."]
    rows = [
        {"benchmark": "Multi-IF", "task": "ifeval", "question": "\n\n".join(turns), "prompts": json.dumps(turns)},
        {"benchmark": "PlanBench", "task": "planbench", "question": "As initial conditions", "prompts": '["whole"]'},
    ]
    schema = TABLES["benchmark_questions"]
    asked = pl.DataFrame([dict.fromkeys(schema) | row for row in rows], schema=schema)
    texts = question_texts(seeds("Compute 1+1", task="arithmetic"), asked)
    assert texts["benchmark"].to_list() == ["arithmetic", *["Multi-IF"] * 3, *["PlanBench"] * 2]
    assert texts["text"].to_list()[1:4] == ["Write a poem.\n\nNow shorter.", "Write a poem.", "Now shorter."]
    assert "As initial conditions" in texts["text"].to_list()[-1]


def test_nothing_to_compare_finds_nothing():
    assert found(questions(), seeds(QUESTION)) == []
    assert found(questions(QUESTION), seeds()) == []
    assert found(questions(QUESTION), seeds("?!", "")) == []


WORDS = st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "1", "2", "3"]), max_size=40)
FILLER = st.text(" \t\n.,;:!?-()'\"…*", max_size=3)


@settings(max_examples=200, deadline=None)
@given(words=WORDS, case=st.randoms(use_true_random=False), between=st.lists(FILLER, min_size=41, max_size=41))
def test_a_seed_that_differs_in_case_space_and_punctuation_alone_is_always_dropped(words, case, between):
    dressed = "".join(
        f"{fill.replace(chr(39), '')} {''.join(case.choice([c.upper(), c]) for c in word)}"
        for fill, word in zip(between, words, strict=False)
    )
    [(_, question, match, _, _)] = found(questions("something else", " ".join(words) + "."), seeds(dressed))[:1]
    assert (question, match) == ("q1", "equal")


@settings(max_examples=200, deadline=None)
@given(asked=st.lists(WORDS, max_size=6), given_=st.lists(WORDS, max_size=6), size=st.integers(1, 6))
def test_the_index_finds_what_a_plain_comparison_finds(asked, given_, size):
    """A seed is reported with a question exactly where they share a run of `size` words, and the run is the longest."""

    def runs(words, length):
        return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}

    def longest(one, other):
        return max((n for n in range(len(one) + 1) if n == 0 or runs(one, n) & runs(other, n)), default=0)

    index = OverlapIndex(asked, ["x"] * len(asked), words=size, min_words=size, common=100)
    matches = list(index.matches(given_, most=100))
    assert {(m.asked, m.indexed) for m in matches} == {
        (s, q) for s, seed in enumerate(given_) for q, words in enumerate(asked) if runs(seed, size) & runs(words, size)
    }
    for m in matches:
        assert size <= m.words <= longest(given_[m.asked], asked[m.indexed])
        assert tuple(given_[m.asked][m.start : m.start + m.words]) in runs(asked[m.indexed], m.words)


def test_ten_thousand_seeds_are_compared_with_two_thousand_questions_in_seconds():
    vocabulary = [f"word{n}" for n in range(2000)]
    texts = [" ".join(vocabulary[(n * 7919 + k * k * (n % 13 + 1)) % 2000] for k in range(60)) for n in range(12_000)]
    asked, given_ = questions(*texts[:2000]), seeds(*texts[1900:11_900])
    start = time.perf_counter()
    overlaps = Decontamination(asked, DecontaminationConfig()).overlaps(given_)
    assert time.perf_counter() - start < 15
    assert overlaps.filter(match="equal")["seed"].unique().to_list()[:100] == list(range(100))


def test_a_phrase_that_everything_shares_costs_no_more_than_any_other():
    phrase = " ".join(f"word{n}" for n in range(20))
    asked = pl.concat([questions(*(f"{phrase} {n}" for n in range(100)), benchmark=f"set {k}") for k in range(5)])
    given_ = seeds(*(f"{phrase} and {n}" for n in range(4000)))
    start = time.perf_counter()
    overlaps = Decontamination(asked, DecontaminationConfig(common=100)).overlaps(given_)
    assert time.perf_counter() - start < 15
    assert overlaps.height == 4000 * 5
    assert set(overlaps["words"]) == {20}


def test_the_narrow_form_keeps_signs_and_forgets_case_and_space():
    assert narrow_form(" What  is\n$X-1$? ") == narrow_form("what is $x-1$?")
    assert narrow_form("$x-1$") != narrow_form("$x+1$")
