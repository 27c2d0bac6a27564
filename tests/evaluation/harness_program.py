"""A program of its own: lm-evaluation-harness over a checkpoint, on local files, and what it says of each answer.

    python harness_program.py FOLDER

FOLDER holds `request.json` and gets `answers.json`. Its tasks include the harness's own GSM8K and IFEval files, so that
metrics, filters and checkers are the harness's; only where the rows are, the prompt and the token limit are said here.

NLTK's punkt parameters cannot be downloaded without a network. They are trained here, by NLTK's own trainer, on the
text that the request names, and lie where NLTK looks for them (NLTK_DATA): the harness's code is untouched.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
NLTK_DATA = FOLDER / "nltk_data"


def main() -> None:
    """Read the request, run the harness, write what it says."""
    os.environ |= {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(FOLDER / "hf"),
        "NLTK_DATA": str(NLTK_DATA),
        "TOKENIZERS_PARALLELISM": "false",
    }
    request = json.loads((FOLDER / "request.json").read_text())
    _train_punkt(request["punkt_text"])
    import langdetect

    langdetect.DetectorFactory.seed = 0  # as we seed it; the harness leaves it to chance
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    _write_tasks(request)
    results = simple_evaluate(
        model="hf",
        model_args={"pretrained": request["checkpoint"], "dtype": "float32", "device": "cpu"},
        tasks=["our_gsm8k", "our_ifeval"],
        task_manager=TaskManager(include_path=str(FOLDER / "tasks")),
        apply_chat_template=True,
        batch_size=8,
        log_samples=True,
        bootstrap_iters=0,
    )
    answers = {
        "gsm8k": _by_doc(
            results["samples"]["our_gsm8k"], lambda sample: {sample["filter"]: bool(sample["exact_match"])}
        ),
        "ifeval": _by_doc(
            results["samples"]["our_ifeval"],
            lambda sample: {"strict": sample["inst_level_strict_acc"], "loose": sample["inst_level_loose_acc"]},
        ),
    }
    answers["replayed"] = _judge(json.loads(Path(request["replay"]).read_text()))
    (FOLDER / "answers.json").write_text(json.dumps(answers))


def _judge(replay: list[dict[str, Any]]) -> list[dict[str, list[bool]]]:
    """What the harness's IFEval checkers say of each given response to a row."""
    from lm_eval.tasks.ifeval.utils import process_results

    judged = (process_results(entry["row"], [entry["response"]]) for entry in replay)
    return [{"strict": says["inst_level_strict_acc"], "loose": says["inst_level_loose_acc"]} for says in judged]


def _train_punkt(text: str) -> None:
    from nltk.tokenize.punkt import PunktTrainer, save_punkt_params

    folder = NLTK_DATA / "tokenizers" / "punkt_tab" / "english"
    folder.mkdir(parents=True)
    save_punkt_params(PunktTrainer(text).get_params(), str(folder))


def _write_tasks(request: dict[str, Any]) -> None:
    import lm_eval
    import yaml

    own = Path(lm_eval.__file__).parent / "tasks"
    decoding = {"until": [], "do_sample": False, "temperature": 0.0, "max_gen_toks": request["max_tokens"]}
    tasks = {
        "our_gsm8k": {
            "include": str(own / "gsm8k" / "gsm8k.yaml"),
            "dataset_name": None,
            "dataset_kwargs": {"data_files": {"train": request["gsm8k"], "test": request["gsm8k"]}},
            "doc_to_text": request["gsm8k_prompt"],
            "num_fewshot": 0,
        },
        "our_ifeval": {
            "include": str(own / "ifeval" / "ifeval.yaml"),
            "dataset_kwargs": {"data_files": {"train": request["ifeval"]}},
        },
    }
    (FOLDER / "tasks").mkdir()
    for name, task in tasks.items():
        text = yaml.safe_dump({"task": name, "dataset_path": "json", "generation_kwargs": decoding, **task})
        (FOLDER / "tasks" / f"{name}.yaml").write_text(text)


def _by_doc(samples: list[dict[str, Any]], says: Any) -> list[dict[str, Any]]:
    """One entry a row, in the order of the rows: the response, and what each filter says of it."""
    found: dict[int, dict[str, Any]] = {}
    for sample in samples:
        entry = found.setdefault(
            sample["doc_id"], {"prompt": sample["arguments"][0][0], "response": sample["resps"][0][0]}
        )
        entry |= says(sample)
    return [found[doc] for doc in sorted(found)]


if __name__ == "__main__":
    main()
