"""`marco serve`: a checkpoint behind the OpenAI completions and chat API."""

import argparse
import sys
from typing import TYPE_CHECKING

from marco_dag.cli.options import declare_profile, declare_root, profile_of, storage_of

if TYPE_CHECKING:
    from marco_dag.engines import TransformersConfig, VllmConfig
    from marco_dag.profiles import Profile

HELP = "Serve a checkpoint over the OpenAI API, by a model in this process or by vLLM, until Ctrl-C."


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "checkpoint", help="champion, candidate, base, sft, a recipe, an artifact, or a folder in Hugging Face format"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="the port; 0 takes any free one (default: 8000)")
    parser.add_argument("--name", help="what clients call the model (default: the checkpoint's name)")
    parser.add_argument(
        "--engine", choices=("transformers", "vllm"), help="what serves it (default: the profile's for the student)"
    )
    parser.add_argument(
        "--api-key-variable", metavar="NAME", help="environment variable with the key that clients have to send"
    )
    declare_profile(parser, "whose engine and registered model to take")
    declare_root(parser)


def run(chosen: argparse.Namespace) -> None:
    """Serve until it is told to stop."""
    from marco_dag.engines import TransformersConfig
    from marco_dag.registry import MlflowStore, registered_name
    from marco_dag.registry.checkpoints import find_checkpoint
    from marco_dag.serving import Place, read_key, serve_by_vllm, serve_in_process

    profile, storage = profile_of(chosen), storage_of(chosen)
    config = _engine(profile, chosen.engine)
    found = find_checkpoint(storage, MlflowStore.of(storage), registered_name(profile.name), chosen.checkpoint)
    place = Place(chosen.name or found.name, chosen.host, chosen.port, read_key(chosen.api_key_variable))
    if isinstance(config, TransformersConfig):
        serve_in_process(found.path, config, place, _say)
    else:
        serve_by_vllm(found.path, config, place, logs=storage.engine_logs, say=_say)


def _engine(profile: "Profile", wanted: str | None) -> "TransformersConfig | VllmConfig":
    """How to serve it: the profile's way for the student, or the wanted one with the profile's settings for it."""
    from marco_dag.engines import ServerConfig, TransformersConfig, VllmConfig
    from marco_dag.errors import ServingError

    config = profile.engine_of("student")
    if wanted is not None and config.kind != wanted:
        config = TransformersConfig() if wanted == "transformers" else VllmConfig(kind="vllm")
    if isinstance(config, ServerConfig):
        raise ServingError(
            f"profile {profile.name}: the student's engine is a server that somebody else runs; "
            "choose what serves it here with --engine"
        )
    return config


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
