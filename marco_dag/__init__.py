"""Marco DAG: distil reasoning into small models without the endless "Wait, alternatively…".

The library behind the pipeline of "Marco-o1 v2" (arXiv 2503.01461): seeds → trees → curation → training → evaluation,
one package a stage. Nothing here imports Dagster (`marco_dag.definitions` aside): every stage is a function over Polars
frames, paths and an engine, and can be used from a notebook.
"""

__version__ = "0.1.0"
