"""Handing out what was made: a checkpoint or the data, each with a card that says where it came from."""

from marco_dag.export.cards import Licence
from marco_dag.export.checkpoint import export_checkpoint
from marco_dag.export.data import DEFAULT_TABLES, export_data
from marco_dag.export.data_card import WHAT

__all__ = ["DEFAULT_TABLES", "WHAT", "Licence", "export_checkpoint", "export_data"]
