"""A real engine without a model: a function writes the text. For tests and for measuring everything but the model."""

from collections.abc import Callable, Sequence

from marco_dag.engines.protocol import Completion, Request


class ScriptedEngine:
    """Completes each request with what `write(request, sample)` returns, under the rules every engine obeys.

    The text ends at the first stop string in it, or at `request.max_tokens`; one character counts as one token, and the
    end of the text as end-of-sequence.
    """

    def __init__(self, write: Callable[[Request, int], str], model_digest: str = "scripted") -> None:
        self._write = write
        self._model_digest = model_digest

    @property
    def model_digest(self) -> str:
        """As given."""
        return self._model_digest

    @property
    def capacity(self) -> int:
        """Any number would do; this many keep every caller busy."""
        return 256

    async def check(self, request: Request) -> None:
        """Every request can be served."""

    async def close(self) -> None:
        """Nothing is held."""

    async def complete(self, request: Request) -> Sequence[Completion]:
        """The `request.n` scripted completions."""
        return [self._cut(self._write(request, sample), request) for sample in range(request.n)]

    def _cut(self, text: str, request: Request) -> Completion:
        ends = [(text.index(stop), stop) for stop in request.stop if stop in text]
        end, stop = min(ends, default=(len(text), None))
        tokens = end + (len(stop) if stop else 1)
        if tokens > request.max_tokens:
            return Completion(text[: min(end, request.max_tokens)], request.max_tokens, "length")
        return Completion(text[:end], tokens, "stop", stop)
