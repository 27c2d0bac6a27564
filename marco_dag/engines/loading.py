"""Engines and encoders from checkpoints: a Hugging Face folder, or a name on the hub."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from marco_dag.engines.config import TransformersConfig
from marco_dag.errors import EngineError
from marco_dag.identity import digest_folder, digest_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from marco_dag.engines.transformers_engine import TransformersEngine

WEIGHTS = "*.safetensors"
"""The only weight files that are ever loaded."""


def checkpoint_digest(checkpoint: str | Path) -> str:
    """What identifies a checkpoint: a digest over a folder's weights, configuration and tokenizer, or of a hub name."""
    folder = Path(checkpoint)
    if not folder.is_dir():
        return digest_json(["hub", str(checkpoint)])
    return digest_json([digest_folder(folder, pattern) for pattern in (WEIGHTS, "*.json", "*.jinja")])


def fetch_checkpoint(source: str) -> Path:
    """The folder of a checkpoint: `source` where that is one, else what the hub has under that name, in its cache.

    Weights in safetensors, configuration and tokenizer only. EngineError where it cannot be had, with what to do.
    """
    if Path(source).is_dir():
        return Path(source).resolve()
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, allow_patterns=[WEIGHTS, "*.json", "*.jinja", "*.model", "*.txt"]))
    except Exception as error:  # of huggingface_hub, httpx and the file system, as the case may be
        reason = " ".join(str(error).split())[:300]
        raise EngineError(
            f"{source}: is no folder here and cannot be fetched from the hub: {type(error).__name__}: {reason}. "
            "Without a connection, or where a licence must be accepted first: download it elsewhere and name its folder"
        ) from error


def load_engine(checkpoint: str | Path, config: TransformersConfig) -> "TransformersEngine":
    """An engine over a checkpoint; EngineError names what the checkpoint lacks.

    Loads safetensors only, and runs no code that comes with a model.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from marco_dag.engines.transformers_engine import TransformersEngine

    folder = Path(checkpoint)
    if folder.is_dir() and not any(folder.glob(WEIGHTS)):
        raise EngineError(f"{folder}: holds no {WEIGHTS} file; convert the checkpoint to safetensors first")
    device = _pick_device(config.device)
    tokenizer = load_tokenizer(checkpoint)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(checkpoint),
            use_safetensors=True,
            attn_implementation="sdpa",
            dtype=torch.float32 if device == "cpu" else "auto",
        )
    except (OSError, ValueError) as error:
        raise EngineError(f"{checkpoint}: cannot be loaded: {error}") from error
    model = model.to(device).eval()
    return TransformersEngine(model, tokenizer, config, model_digest=checkpoint_digest(checkpoint))


def load_tokenizer(checkpoint: str | Path) -> "PreTrainedTokenizerBase":
    """The tokenizer in a checkpoint, its chat template with it; EngineError where there is none."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(checkpoint))
    except (OSError, ValueError) as error:
        raise EngineError(f"{checkpoint}: holds no tokenizer that can be loaded: {error}") from error


def load_encoder(checkpoint: str | Path) -> Callable[[Sequence[str]], list[list[int]]]:
    """A checkpoint's tokenizer as a function: texts → their token ids, without special tokens; no texts give none."""
    tokenizer = load_tokenizer(checkpoint)

    def encode(texts: Sequence[str]) -> list[list[int]]:
        ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
        return ids

    return encode


def _pick_device(wanted: str) -> str:
    import torch

    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
