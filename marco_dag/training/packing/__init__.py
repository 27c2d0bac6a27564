"""Tree-packed training: one forward over a whole search tree, each shared prefix computed once.

`trie` (paths → nodes in preorder), `rows` (which tries share a row, where a large one is cut), `mask` (a node sees its
ancestors alone), `forward` (rows → log-probabilities of nodes → those of the paths), `collator` (padded batch → packed
batch). Exact: a path's log-probabilities and their gradients are those of the path alone.
"""

from marco_dag.training.packing.batch import PACKED, PackedCollator, PackedRows, attention_tokens, pack
from marco_dag.training.packing.forward import PathScores, add_packed_forward, check_packable

__all__ = [
    "PACKED",
    "PackedCollator",
    "PackedRows",
    "PathScores",
    "add_packed_forward",
    "attention_tokens",
    "check_packable",
    "pack",
]
