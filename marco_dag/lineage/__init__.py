"""Where every row came from: events, the DuckDB views over them, and the walk back to the seeds."""

from marco_dag.lineage.events import LineageLog, Materialization, Place, latest_events
from marco_dag.lineage.origin import Origin
from marco_dag.lineage.promotions import Promotion, record_promotion
from marco_dag.lineage.views import connect, ensure_database, open_database, refresh_database
from marco_dag.lineage.walk import ACCEPTED, trace

__all__ = [
    "ACCEPTED",
    "LineageLog",
    "Materialization",
    "Origin",
    "Place",
    "Promotion",
    "connect",
    "ensure_database",
    "latest_events",
    "open_database",
    "record_promotion",
    "refresh_database",
    "trace",
]
