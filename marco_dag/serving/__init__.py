"""A checkpoint behind the OpenAI API: by a model in this process, or by vLLM."""

from marco_dag.serving.running import Place, read_key, serve_by_vllm, serve_in_process

__all__ = ["Place", "read_key", "serve_by_vllm", "serve_in_process"]
