"""What a profile says about keeping what was made."""

from pydantic import Field

from marco_dag.config import Config


class RetentionConfig(Config):
    """How long `marco gc` leaves alone what nothing refers to."""

    artifacts_days: float = Field(30, ge=1)
    """Days since a finished artifact was last made or asked for, ≥ 1: longer than the longest run that may read it."""
    unfinished_days: float = Field(14, ge=1)
    """Days since an unfinished artifact was last written to, ≥ 1; until then its work can be gone on with."""
    logs_days: float = Field(30, ge=1)
    """Days since an engine's log was last written to, ≥ 1."""
