"""How many parameters a model has, without loading it: the embedded ones by arithmetic, others by folder or by name."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from marco_dag.errors import ProfileError
from marco_dag.miniature.config import ArchitectureConfig
from marco_dag.miniature.models import feed_forward_width
from marco_dag.miniature.tokenizer import VOCABULARY
from marco_dag.profiles import Profile

ModelRole: TypeAlias = Literal["generator", "critic", "student"]

_IN_NAME = re.compile(r"(?<![A-Za-z0-9.])([0-9]+(?:\.[0-9]+)?)([BbMm])(?![A-Za-z0-9])")
_BYTES = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1}


@dataclass(frozen=True, slots=True)
class ModelSize:
    """What an estimate needs of a model."""

    parameters: float
    """Weights, embeddings included."""
    bytes_each: float
    """As they are stored."""
    is_embedded: bool = False
    """Whether the pipeline trains it from scratch."""

    @property
    def bytes(self) -> float:
        """Of the stored weights."""
        return self.parameters * self.bytes_each


def model_size(profile: Profile, role: ModelRole, known: Mapping[str, float]) -> ModelSize:
    """The size of a profile's model: as `known` says by role, else counted in its folder, else read off its name.

    ProfileError where none of these tells.
    """
    source = getattr(profile.models, role)
    if source == "miniature":
        return ModelSize(embedded_parameters(profile.miniature.architecture), 4, is_embedded=True)
    if role in known:
        return ModelSize(known[role], 2)
    if Path(source).is_dir():
        return _counted(Path(source))
    if match := _IN_NAME.search(Path(source).name):
        return ModelSize(float(match[1]) * {"b": 1e9, "m": 1e6}[match[2].lower()], 2)
    raise ProfileError(
        f"models.{role}: {source} is no folder, and its name does not say how many parameters it has; "
        f"say so with --parameters {role}=7e9"
    )


def embedded_parameters(architecture: ArchitectureConfig) -> int:
    """The weights of an embedded Llama model with tied embeddings."""
    width = architecture.hidden_size
    keys_and_values = 2 * width * (width // architecture.heads) * architecture.key_value_heads
    block = 2 * width**2 + keys_and_values + 3 * width * feed_forward_width(width) + 2 * width
    return len(VOCABULARY) * width + architecture.layers * block + width


def _counted(folder: Path) -> ModelSize:
    parameters = size = 0
    for file in folder.glob("*.safetensors"):
        with file.open("rb") as opened:
            header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
        for name, tensor in header.items():
            if name != "__metadata__":
                count = 1
                for length in tensor["shape"]:
                    count *= length
                parameters += count
                size += count * _BYTES.get(tensor["dtype"], 4)
    if not parameters:
        raise ProfileError(f"{folder}: holds no weights in *.safetensors; convert the checkpoint to safetensors first")
    return ModelSize(parameters, size / parameters)
