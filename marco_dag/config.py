"""The base of every configuration model: frozen, no unknown fields, documented field by field."""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """A part of a profile. Each stage declares its own beside its code."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)
