"""The card of a data set: what is in it, how it was made, what was kept out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from marco_dag import __version__
from marco_dag.export.cards import Licence, cell, markdown_table, terms, yaml_block
from marco_dag.export.provenance import Rows
from marco_dag.identity import JsonValue
from marco_dag.schemas import TABLES
from marco_dag.seeds import GENERATED, DecontaminationConfig

WHAT: Mapping[str, str] = {
    "cot_set": "Examples of supervised fine-tuning: a question and the longest of its correct chains of thought.",
    "preference_pairs": "A question, a correct chain that is preferred, and a wrong chain of the same tree.",
    "chains": "Every path from a question to a checked answer, right or wrong.",
    "trees": "A search a question: its pattern, how far it came, how many answers were right and wrong.",
    "thoughts": "Every node of every tree: its text, who wrote it, its visits, its value, its verdict.",
    "seed_prompts": "The questions, and what checks their answers.",
}
"""The tables that can be handed out, each with what a row is."""

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True, slots=True)
class Facts:
    """What the card tells, from lineage and the tables."""

    rows: Mapping[str, int]
    """Table → rows that are handed out."""
    batches: Rows
    """Each batch: source, digest of the file, questions, quarantined rows, rows dropped as a benchmark's."""
    versions: Rows
    """Each asset and batch: rows, data version, code version, Dagster run."""
    writers: Rows
    """The models that wrote the thoughts: role, digest, thoughts."""
    names: Mapping[str, str]
    """Digest → what a model is called."""
    searches: Mapping[str, Mapping[str, JsonValue]]
    """Batch → all that decided its trees."""
    overlaps: Rows
    """Each benchmark and kind of match: the questions dropped for it."""
    decontamination: DecontaminationConfig
    """When a question counts as a benchmark's."""
    held_out_share: float
    """The share of prompts that a hash keeps from training."""


def data_fields(facts: Facts, licence: Licence) -> dict[str, object]:
    """The fields in front of the card, as the hub reads them: one configuration a table."""
    most = max(facts.rows.values(), default=0)
    return {
        **licence.fields(),
        "task_categories": ["text-generation"],
        "tags": ["marco-dag", "reasoning", "chain-of-thought", "tree-search"],
        "size_categories": [next((size for bound, size in _SIZES if most < bound), "n>1M")],
        "configs": [{"config_name": table, "data_files": f"data/{table}/*.parquet"} for table in facts.rows],
    }


def data_parts(name: str, facts: Facts, licence: Licence) -> Iterator[str]:
    """The parts of the card."""
    yield (
        f"# {cell(name)}\n\nChains of thought grown from scratch by tree search with checked answers, as Marco-o1 v2 "
        f"has it (arXiv 2503.01461), by Marco DAG {__version__}. Every id is a content hash, so a chain can be "
        "followed to its tree, its question and the models that wrote it."
    )
    contents = markdown_table(("table", "rows", "a row is"), [(t, n, WHAT[t]) for t, n in facts.rows.items()])
    yield f"## Contents\n\n{contents}"
    yield "\n\n".join(["## Schema", *(_schema(table) for table in facts.rows)])
    yield _making(facts)
    yield _kept_out(facts)
    yield (
        "## Limits\n\nAnswers were checked by rules; what stands between a question and its answer was checked by "
        "nobody. A chain that stands in two batches stands here twice; training takes it once."
    )
    yield terms(licence, _resting_on(facts))


def _schema(table: str) -> str:
    columns = [(name, str(kind)) for name, kind in TABLES[table].items()]
    return f"`{table}`\n\n{markdown_table(('column', 'type'), columns)}"


def _making(facts: Facts) -> str:
    writers = [
        [row["role"], facts.names.get(str(row["digest"])), row["digest"], row["thoughts"]] for row in facts.writers
    ]
    parts = [
        "## How it was made",
        markdown_table(("role", "model", "digest", "thoughts"), writers),
        markdown_table(
            ("asset", "batch", "rows", "data version", "code version", "Dagster run"),
            [[row[name] for name in ("asset", "batch", "rows", "version", "code", "run")] for row in facts.versions],
        ),
    ]
    for settings, batches in _alike(facts.searches):
        parts += [f"The search of {cell(', '.join(batches))}:", yaml_block(settings)]
    return "\n\n".join(parts)


def _alike(searches: Mapping[str, Mapping[str, JsonValue]]) -> list[tuple[dict[str, JsonValue], list[str]]]:
    """Search settings with the batches that they hold for; the questions themselves aside."""
    found: list[tuple[dict[str, JsonValue], list[str]]] = []
    for batch, key in searches.items():
        settings = {name: value for name, value in key.items() if name != "seeds"}
        same = [batches for known, batches in found if known == settings]
        same[0].append(batch) if same else found.append((settings, [batch]))
    return found


def _kept_out(facts: Facts) -> str:
    config = facts.decontamination
    columns = ("batch", "source", "digest", "seeds", "quarantined", "dropped")
    batches = markdown_table(
        ("batch", "from", "SHA-256 of the file", "questions", "quarantined", "dropped as a benchmark's"),
        [[row[column] for column in columns] for row in facts.batches],
    )
    overlaps = markdown_table(
        ("benchmark", "match", "questions"),
        [[row[c] for c in ("benchmark", "match", "seeds")] for row in facts.overlaps],
    )
    return (
        "## Decontamination\n\nAs the profile sets it today: "
        "a question is dropped where a benchmark in use asks it (equal up to case, spaces and "
        f"punctuation), or where both share {config.words} words in a row (a shorter question of a benchmark: all of "
        f"it, from {config.min_words} words on). Of generated questions, and of {cell(', '.join(config.whole_only))}, "
        f"only whole ones are compared. A share of {100 * facts.held_out_share:g}% of the prompts of the inbox and of "
        "the generated ones is held out of training by a hash. A blocking check looks at every training set again.\n\n"
        f"{batches}\n\nDropped, by benchmark:\n\n{overlaps}"
    )


def _resting_on(facts: Facts) -> Iterator[tuple[str, str]]:
    for row in facts.writers:
        yield f"{row['role']} of the chains", facts.names.get(str(row["digest"]), str(row["digest"]))
    for row in facts.batches:
        if row["batch"] != GENERATED:
            yield "questions", str(row["source"] or row["batch"])
