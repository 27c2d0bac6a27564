"""Opens engines: whatever a profile says, for the length of a `with` block."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from marco_dag.engines.config import EngineConfig, ServerConfig, TransformersConfig
from marco_dag.engines.loading import load_engine
from marco_dag.engines.protocol import Engine, Role, RoleEngines
from marco_dag.store import held


@contextmanager
def open_engine(
    checkpoint: str | Path, config: EngineConfig, *, name: str, logs: Path, say: Callable[[str], None]
) -> Iterator[Engine]:
    """The engine over a checkpoint: a folder, or a name on the hub.

    Servers that this starts are named `name` in what they say, line by line to `say` and in full into a file below
    `logs`; they are stopped when the block ends, also by an error, and when this process is killed. Meanwhile nobody
    removes a checkpoint of the store. EngineError where the engine cannot be opened.
    """
    with held(Path(checkpoint)):
        if isinstance(config, TransformersConfig):
            yield load_engine(checkpoint, config)
        elif isinstance(config, ServerConfig):
            from marco_dag.engines.connecting import connect

            yield connect(checkpoint, config)
        else:
            from marco_dag.engines.vllm_servers import serve

            with serve(checkpoint, config, name=name, logs=logs, say=say) as engine:
                yield engine


@contextmanager
def open_roles(
    checkpoints: Mapping[Role, str],
    configs: Mapping[Role, EngineConfig],
    *,
    logs: Path,
    say: Callable[[str], None],
) -> Iterator[RoleEngines]:
    """The engine of each role; roles of one model and one configuration share one. See `open_engine`."""
    with ExitStack() as stack:
        opened: list[tuple[str, EngineConfig, Engine]] = []
        engines: dict[Role, Engine] = {}
        for role, checkpoint in checkpoints.items():
            config = configs[role]
            shared = [engine for path, how, engine in opened if (path, how) == (checkpoint, config)]
            engine = (
                shared[0]
                if shared
                else stack.enter_context(open_engine(checkpoint, config, name=role, logs=logs, say=say))
            )
            opened.append((checkpoint, config, engine))
            engines[role] = engine
        yield engines
