"""Loading a pickle runs whatever is in it: no module of ours does, and no asset goes through one.

What the trainers' library does with states: tests/training/test_poisoned_states.py.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = [file for package in ("marco_dag", "resources", "assets") for file in sorted((ROOT / package).rglob("*.py"))]
PICKLERS = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "pandas"}
"""Modules that load pickles; pandas would by read_pickle, and is not used."""


def offences(source: str) -> Iterator[str]:
    """Where a module imports what loads pickles, or asks a loader for them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"line {node.lineno}: imports {name}" for name in names if name.split(".")[0] in PICKLERS)
        elif isinstance(node, ast.Call):
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            called = ast.unparse(node.func)
            if called == "torch.load" and given.get("weights_only") != "True":
                yield f"line {node.lineno}: torch.load without weights_only=True"
            for name, harmless in (("weights_only", "True"), ("allow_pickle", "False"), ("trust_remote_code", "False")):
                if given.get(name, harmless) != harmless:
                    yield f"line {node.lineno}: {called}({name}={given[name]})"


@pytest.mark.parametrize("file", CODE, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_module_loads_a_pickle(file: Path):
    assert [*offences(file.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "def f():\n    import torch\n    return torch.load('x.pt')",
        "torch.load('x.pt', weights_only=False)",
        "numpy.load('x.npy', allow_pickle=True)",
        "AutoModel.from_pretrained('x', trust_remote_code=True)",
    ],
)
def test_what_would_load_one_is_seen(source: str):
    assert [*offences(source)]


def test_no_asset_goes_through_dagsters_pickling_io_manager():
    """Its key is `io_manager`; an asset may keep that only where it hands over no value at all."""
    from marco_dag.definitions import defs

    keys = {
        key.to_user_string(): asset.node_def.output_def_named(name).io_manager_key
        for asset in defs.resolve_asset_graph().assets_defs
        for name, key in asset.keys_by_output_name.items()
    }
    assert len(keys) > 15
    unnamed = {asset for asset, key in keys.items() if key == "io_manager"}
    assert unnamed <= {"distillation_report"}, "give it `tables` or `models`, or hand over a path"
