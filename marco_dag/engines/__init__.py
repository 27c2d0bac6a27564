"""Who writes text: the Engine protocol and its implementations."""

from marco_dag.engines.config import CallsConfig, EngineConfig, ServerConfig, TransformersConfig, VllmConfig
from marco_dag.engines.loading import checkpoint_digest, fetch_checkpoint, load_encoder, load_engine
from marco_dag.engines.opening import open_engine, open_roles
from marco_dag.engines.protocol import (
    Completion,
    Engine,
    FinishReason,
    Message,
    Request,
    Role,
    RoleEngines,
    complete_all,
)
from marco_dag.engines.scripted import ScriptedEngine

__all__ = [
    "CallsConfig",
    "Completion",
    "Engine",
    "EngineConfig",
    "FinishReason",
    "Message",
    "Request",
    "Role",
    "RoleEngines",
    "ScriptedEngine",
    "ServerConfig",
    "TransformersConfig",
    "VllmConfig",
    "checkpoint_digest",
    "complete_all",
    "fetch_checkpoint",
    "load_encoder",
    "load_engine",
    "open_engine",
    "open_roles",
]
