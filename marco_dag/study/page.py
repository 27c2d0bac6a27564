"""A study's page: Markdown and its pictures, all of it from the tables; a gap is shown as a gap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from marco_dag.report import pictures
from marco_dag.report.svg import svg
from marco_dag.study import figures
from marco_dag.study.comparisons import comparisons
from marco_dag.study.findings import FAMILY_ERROR, Finding, capped_differences, caps_of, find
from marco_dag.study.gathering import Gathered
from marco_dag.study.materials import Study
from marco_dag.study.tables import (
    decoding_table,
    findings_table,
    gain_table,
    levels_table,
    shapes_table,
    task_table,
    verdicts_line,
)
from marco_dag.study.variants import (
    BASE,
    CDPO,
    CONTROL,
    DATA,
    FULL,
    JOINT,
    LADDER,
    PLAIN_DPO,
    SFT,
    SFT_LONG_COT,
    SWEEP,
    second_stages,
    study_of,
    variants_of,
)

PAGE_FILE = "results.md"
"""What the page is called; its pictures lie in a folder of the same name beside it."""

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Page:
    """What was written."""

    path: Path
    """The Markdown file."""
    text: str
    """What it says."""
    findings: Sequence[Finding]
    """Every comparison."""


def write_page(
    folder: Path,
    study: Study,
    gathered: Gathered,
    seeds: Sequence[int],
    *,
    command: str,
    failed: Mapping[str, str] | None = None,
    notes: str = "",
) -> Page:
    """Write `results.md` and its pictures into `folder`, from what was gathered of `seeds`.

    `command` is what made it; `failed` says why cells could not be made; `notes` stand below the first paragraph.
    """
    return _Writer(folder, study, gathered, seeds, command, failed or {}, notes).write()


class _Writer:
    def __init__(
        self,
        folder: Path,
        study: Study,
        gathered: Gathered,
        seeds: Sequence[int],
        command: str,
        failed: Mapping[str, str],
        notes: str,
    ) -> None:
        self.folder, self.study, self.gathered, self.seeds = folder, study, gathered, seeds
        self.command, self.failed, self.notes = command, failed, notes
        self.variants, self.config = variants_of(study.profile), study_of(study.profile)
        self.answers = gathered.answers
        self.there = [name for name in self.variants if not self.answers.filter(checkpoint=name).is_empty()]
        self.findings = find(gathered, comparisons(self.variants))

    def write(self) -> Page:
        pictures_folder = self.folder / Path(PAGE_FILE).stem
        pictures_folder.mkdir(parents=True, exist_ok=True)
        sections = [
            self._head(),
            self._short(),
            self._ladder(),
            self._sweep(),
            self._data(),
            self._beyond(),
            self._decoding(),
            self._shapes(),
            self._regimes(),
            self._method(),
        ]
        text = "\n\n".join(section for section in sections if section) + "\n"
        path = self.folder / PAGE_FILE
        path.write_text(text)
        return Page(path, text, self.findings)

    def _head(self) -> str:
        questions = self.answers.select("benchmark", "question_id").n_unique()
        parts = [
            f"# Results: profile `{self.study.profile.name}`",
            "What the paper claims, what this project's own measurement sees, and whether it held. Everything on this "
            f"page is written by `{self.command}` from the answers of {_count(self.seeds, 'seed')} "
            f"({', '.join(map(str, self.seeds))}), each from scratch: {self._from_scratch()}. All are asked the same "
            f"{questions:,} distinct held-out questions, once greedily and once sampled.",
        ]
        if self.gathered.gaps:
            parts.append(self._gaps())
        if self.notes:
            parts.append(self.notes)
        return "\n\n".join(parts)

    def _gaps(self) -> str:
        lines = ["**Gaps**: these cells were not made, and are left out of every table below."]
        for cell, seed in self.gathered.gaps:
            why = self.failed.get(f"{cell}, seed {seed}")
            lines.append(f"- `{cell}`, seed {seed}" + (f": {' '.join(why.split())[:300]}" if why else ""))
        return "\n".join(lines)

    def _short(self) -> str:
        topics = dict.fromkeys(finding.comparison.topic for finding in self.findings)
        parts = [
            "## In short",
            "First minus second in percentage points, paired by seed and question. SE is the paired standard error "
            f"over seeds and questions; each interval is widened so that all {len(self.findings)} hold together with "
            f"{100 * (1 - FAMILY_ERROR):.0f}% (Bonferroni). Whatever an interval does not tell from zero is no effect "
            "seen. `held` and `opposite` speak of the claim; where nobody claims anything, `rise` and `fall` say "
            "which way it went.",
            verdicts_line(self.findings),
        ]
        for topic in topics:
            own = [finding for finding in self.findings if finding.comparison.topic == topic]
            parts += [f"### {topic}", findings_table(own)]
        parts.append(self._picture("differences", figures.differences(self.findings), "All comparisons"))
        return "\n\n".join(parts)

    def _ladder(self) -> str:
        rungs = [name for name in (*LADDER, CONTROL) if name in self.there]
        if not rungs:
            return ""
        return "\n\n".join(
            [
                "## The ladder, and the control",
                "Every second stage starts from the seed's one SFT checkpoint and trains on as many tokens as "
                f"`{FULL}` does in its own epochs, prompts included. Means over seeds, lowest to highest in brackets.",
                levels_table(self.answers, self.gathered.trainings, self.variants, rungs),
                self._picture("ladder", figures.rates(self.answers, rungs), "Accuracy and no-answer rate by rung"),
                "Prefix masking changes nothing in cDPO's own term, and cannot: chosen and rejected share the masked "
                "tokens, so that their log-ratios cancel in h (`tests/training/test_objectives.py` shows it, loss and "
                "gradient). What a difference between the last two rungs would show is rounding.",
                "By task, sampled:",
                task_table(self.answers, [name for name in (BASE, *rungs) if name in self.there]),
            ]
        )

    def _sweep(self) -> str:
        steps = [(0.0, CDPO), (1.0, JOINT)]
        steps += [(weight, f"{SWEEP}{weight:g}") for weight in self.config.sft_weights]
        steps = sorted(step for step in steps if step[1] in self.there)
        if len(steps) < 2:
            return ""
        names = [name for _, name in steps]
        return "\n\n".join(
            [
                "## α, the weight of the SFT term",
                "The paper finds 1 best of 0, 0.5, 1, 1.5 and 2.",
                levels_table(self.answers, self.gathered.trainings, self.variants, names),
                self._picture("alpha", figures.sweep(self.answers, steps), "Accuracy and no-answer rate over α"),
            ]
        )

    def _data(self) -> str:
        names = [name for name in DATA if name in self.there]
        if not names:
            return ""
        parts = [
            "## What SFT learns from",
            self._about_data(),
            levels_table(self.answers, self.gathered.trainings, self.variants, names),
        ]
        if not self.gathered.lengths.is_empty():
            drawn = pictures.chain_lengths(self.gathered.lengths)
            parts.append(self._picture("lengths", drawn, "Lengths of the trees' correct chains (the paper's Figure 3)"))
        return "\n\n".join(parts)

    def _about_data(self) -> str:
        long_cot = (
            f"`{SFT_LONG_COT}` learns from an over-thinking teacher's chains: the trees' own correct ones with one to "
            "three loops of checking and doubt around the same work"
            if self.config.long_cot is None
            else f"`{SFT_LONG_COT}` learns from the long-CoT data that the profile names"
        )
        return (
            f"{long_cot}; `sft-samples` from independent samples of the generator, at as many sampled tokens a "
            f"question as its tree took; `{SFT}` from the trees' {self.study.profile.curation.sft_rank} chains. All "
            "train on as many tokens."
        )

    def _beyond(self) -> str:
        names = [name for name in (CONTROL, *second_stages(self.variants)) if name in self.there]
        names = [name for name in dict.fromkeys(names) if not name.startswith(SWEEP)]
        if len(names) < 2:
            return ""
        return "\n\n".join(
            [
                "## Beyond the paper: second stages beside the control",
                f"`{CONTROL}` trains on the same chosen chains without any preference term. A preference stage that "
                "does not beat it has not earned its place.",
                levels_table(self.answers, self.gathered.trainings, self.variants, names),
            ]
        )

    def _decoding(self) -> str:
        if self.gathered.decoded.is_empty():
            return ""
        return "\n\n".join(
            [
                "## MCTS decoding: Test@N",
                "A checkpoint searches alone, without references, until it has sampled as many tokens as N plain "
                "responses take; its last step may go over, so look at the tokens too. Solved: one of its answers is "
                "right. Chosen: the one that most of them agree on is.",
                decoding_table(self.gathered.decoded),
            ]
        )

    def _shapes(self) -> str:
        names = [name for name in self.there if name in (BASE, SFT_LONG_COT, *LADDER, CONTROL)]
        if not names:
            return ""
        limit = self.study.profile.evaluation.max_tokens
        drawn = pictures.response_lengths(self.answers, names, limit)
        return "\n\n".join(
            [
                "## Shapes of formalistic long-time thinking",
                "Shares of sampled responses in per cent, means over seeds.",
                shapes_table(self.answers, names),
                self._picture("responses", drawn, "Lengths of the sampled responses"),
            ]
        )

    def _regimes(self) -> str:
        names = [name for name in (SFT, FULL, CONTROL, PLAIN_DPO, SFT_LONG_COT) if name in self.there]
        if not {SFT, FULL, CONTROL} <= set(names):
            return ""
        profile = self.study.profile
        limits = caps_of(profile.evaluation.max_tokens, self.config.caps)
        found = capped_differences(self.answers, limits, _CONFIDENCE)
        return "\n\n".join(
            [
                "## Where the recipe pays: tighter token limits",
                "The same sampled answers judged again as if a response could have so many tokens and no more. Looked "
                "at beside the comparisons above, so its "
                f"{100 * _CONFIDENCE:.0f}% intervals are not corrected for their number.",
                gain_table(found),
                self._picture("caps", figures.caps(self.answers, names, limits), "Accuracy over the token limit"),
                self._picture("capped-gains", figures.capped_gains(found), "What the recipe gains at each limit"),
            ]
        )

    def _method(self) -> str:
        trainings = self.gathered.trainings
        seconds = trainings["seconds"].sum()
        return "\n\n".join(
            [
                "## How it is measured",
                "- **Fixed beforehand**: variants and comparisons follow from the profile alone "
                "(`marco_dag/study/variants.py`, `comparisons.py`); their number is what intervals are corrected for.\n"
                "- **A seed** decides the embedded models, the training questions, the trees, the order of all "
                "trainings and the sampled answers. The held-out questions are the same for every seed, and kept from "
                "training by a hash.\n"
                "- **Intervals** resample seeds and questions at once. With few seeds they are coarse in what they say "
                "about seeds, and on the wide side (Owen 2007).\n"
                f"- **Nothing is watched**: a stage that may stop early would not train on as many tokens. The "
                f"{trainings.height} trainings behind this page took {seconds / 60:.0f} minutes of one core.",
            ]
        )

    def _picture(self, name: str, figure: object, caption: str) -> str:
        drawn = svg(figure)  # type: ignore[arg-type]  # matplotlib is imported when a picture is drawn
        (self.folder / Path(PAGE_FILE).stem / f"{name}.svg").write_bytes(drawn)
        return f"![{caption}]({Path(PAGE_FILE).stem}/{name}.svg)"

    def _from_scratch(self) -> str:
        embedded = "miniature" in self.study.profile.models.model_dump().values()
        models = "embedded models, " if embedded else ""
        return f"its own {models}questions, trees, trainings and sampled answers"


def _count(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"
