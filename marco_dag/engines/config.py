"""What a profile says about engines."""

from typing import Literal

from pydantic import Field

from marco_dag.config import Config


class EngineConfig(Config):
    """How text is generated in-process."""

    kind: Literal["transformers"] = "transformers"
    """Which engine: `transformers` runs the model in this process."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where: `auto` takes cuda, then mps, then cpu."""
    max_live_sequences: int = Field(256, ge=1)
    """Sequences decoded together, ≥ 1; more need memory, fewer waste the machine."""
    prefix_cache_mb: int = Field(512, ge=0)
    """Memory for the keys and values of prefixes already computed, in MiB; 0 turns the cache off."""
