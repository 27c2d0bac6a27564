"""A model in this process, decoding many requests at once: sequences join when there is room and leave when they end.

Each forward is one step of every live sequence; nothing is padded to the longest completion and nobody waits for a slow
neighbour. What a prefix's keys and values are is computed once for all samples of a request, and once for all requests
that share it (`prefix_cache`). Everything runs in the caller's event loop, so that the same requests in the same order
give the same batches, and with them the same bytes; whose step is next, where several engines share that loop, is up to
`turns`. It knows no thoughts, trees or tasks.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from marco_dag.engines.config import TransformersConfig
from marco_dag.engines.prefix_cache import BLOCK_TOKENS, PrefixCache
from marco_dag.engines.protocol import Completion, FinishReason, Request
from marco_dag.engines.rendering import PromptEncoder
from marco_dag.engines.sampling import choose_tokens, token_confidence, uniform_stream
from marco_dag.engines.slot_cache import SlotCache
from marco_dag.engines.stopping import StopFinder
from marco_dag.engines.turns import turns_here
from marco_dag.engines.waiting import Call, Sample, WaitingLine
from marco_dag.errors import EngineError, EngineUnavailableError

_JOIN_SHARE = 4
"""Newcomers wait until they are a quarter of the live sequences: a forward for few costs as much as one for many."""
_JOIN_PATIENCE = 4
"""… but no longer than this many steps."""
_WAITING_SHARE = 4
"""Sequences under way for each that is decoded."""
_TURNS_FOR_OWNERS = 6
"""Turns of the event loop that the owners of finished requests get to ask for more before the next step."""


@dataclass(eq=False, slots=True)
class _Row:
    """One live sample."""

    call: Call
    sample: int
    sampled: list[int]
    confidence: float = 0.0
    """Summed over the sampled tokens; 0 where nobody asks."""


class TransformersEngine:
    """An Engine over a causal language model and its tokenizer."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        config: TransformersConfig,
        *,
        model_digest: str,
    ) -> None:
        """Take over a model in evaluation mode on its device; EngineError where it cannot be driven."""
        layer_types = set(getattr(model.config, "layer_types", None) or ["full_attention"])
        if layer_types != {"full_attention"}:
            raise EngineError(
                f"the transformers engine needs full attention in every layer, the model has {layer_types}"
            )
        self._model, self._model_digest = model, model_digest
        self.prompts = PromptEncoder(tokenizer)
        self._device = next(model.parameters()).device
        self.context: int = model.config.max_position_embeddings
        self._vocabulary = model.get_input_embeddings().num_embeddings
        self._end_tokens = _end_tokens(model, tokenizer)
        self._stops = StopFinder(tokenizer)
        self._slots = config.max_live_sequences
        self._cache = SlotCache(model.config.num_hidden_layers, self._slots)
        self._prefixes = PrefixCache(config.prefix_cache_mb << 20)
        self._waiting = WaitingLine()
        self._rows: list[_Row] = []
        self._open: set[Call] = set()
        self._waited = 0
        self._withdrawn = False
        self._pump: asyncio.Task[None] | None = None
        self._lengths = torch.zeros(self._slots, dtype=torch.long, device=self._device)
        self._pending = torch.zeros(self._slots, dtype=torch.long, device=self._device)
        self._temperature = torch.ones(self._slots, device=self._device)
        self._top_p = torch.ones(self._slots, device=self._device)
        self._uniforms = torch.zeros(self._slots, 64, device=self._device)

    @property
    def model_digest(self) -> str:
        """The digest of the checkpoint's files."""
        return self._model_digest

    @property
    def capacity(self) -> int:
        """Several times what is decoded together.

        A slot that gets free has a taker, and trees begin early: one that turns out hard is not alone at the end.
        """
        return _WAITING_SHARE * self._slots

    @property
    def under_way(self) -> int:
        """Completions that are being written or wait for their turn."""
        return len(self._rows) + self._waiting.samples

    async def check(self, request: Request) -> None:
        """EngineError where the context is too small, the template refuses the prompt or n exceeds the slots."""
        self._accept(request)
        self.prompts.check(request, self.context)

    async def close(self) -> None:
        """Stop stepping; EngineUnavailableError for whoever still waits. A later call starts it again."""
        if self._pump is not None and not self._pump.done():
            self._pump.cancel()
            await asyncio.wait([self._pump])
        self._end_all("the engine was closed while it was at work")

    async def complete(self, request: Request) -> Sequence[Completion]:
        """The `request.n` completions, shorter where the context ends; EngineError where there is no room at all."""
        prompt, limit = self._accept(request)
        return [sample.completion for sample in await self._sample(request, prompt, limit)]

    async def continue_tokens(self, prompt: Sequence[int], request: Request) -> Sequence[Sample]:
        """As `complete`, from a prompt in tokens in the place of the request's messages and prefix.

        EngineError also where the prompt is empty, or holds what is no token of the model.
        """
        if not prompt or not all(0 <= token < self._vocabulary for token in prompt):
            raise EngineError(f"a prompt is one or more tokens, each from 0 to {self._vocabulary - 1}")
        self._check_slots(request)
        limit = self.prompts.room(len(prompt), request.max_tokens, self.context)
        return await self._sample(request, list(prompt), limit)

    async def _sample(self, request: Request, prompt: list[int], limit: int) -> Sequence[Sample]:
        call = Call(request, prompt, limit, asyncio.get_running_loop().create_future())
        self._waiting.join(call)
        self._open.add(call)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run())
        try:
            return await call.future
        except asyncio.CancelledError:
            self._waiting.withdraw(call)
            self._withdrawn = True
            raise
        finally:
            self._open.discard(call)

    def _accept(self, request: Request) -> tuple[list[int], int]:
        """The prompt's tokens, and how many tokens a sample may have."""
        self._check_slots(request)
        return self.prompts.encode(request, self.context)

    def _check_slots(self, request: Request) -> None:
        if request.n > self._slots:
            raise EngineError(
                f"n={request.n} exceeds max_live_sequences={self._slots}: raise it in the profile's engine"
            )

    async def _run(self) -> None:
        """Step until nothing is left to do; an error reaches every request that is still open."""
        turns = turns_here()
        try:
            await self._let_owners_ask()
            while self._waiting or self._rows:
                ended = turns.take(self, self._load()) and self._step()
                await (self._let_owners_ask() if ended else asyncio.sleep(0))
        except Exception as error:
            self._end_all(
                f"the model broke off: {error}; if memory ran out, lower max_live_sequences in the profile's engine",
                error,
            )
        finally:
            turns.leave(self)

    def _end_all(self, why: str, cause: Exception | None = None) -> None:
        """Forget every live and waiting sequence; EngineUnavailableError to every call that is still open."""
        self._rows.clear()
        self._waiting.clear()
        for call in self._open:
            if not call.future.done():
                failure = EngineUnavailableError(why)
                failure.__cause__ = cause
                call.future.set_exception(failure)

    def _load(self) -> int:
        """Sequences that a step would serve if it took in all that fits."""
        return min(self._slots, len(self._rows) + self._waiting.samples)

    @torch.inference_mode()
    def _step(self) -> bool:
        """Take newcomers in where it is time, then one more token for every live row; whether any call ended."""
        self._drop_cancelled()
        ended = self._admit() if self._should_admit() else False
        return self._decode() or ended

    @staticmethod
    async def _let_owners_ask() -> None:
        for _ in range(_TURNS_FOR_OWNERS):
            await asyncio.sleep(0)

    def _drop_cancelled(self) -> None:
        if self._withdrawn:
            self._withdrawn = False
            self._leave([i for i, row in enumerate(self._rows) if row.call.future.cancelled()])

    def _should_admit(self) -> bool:
        free = self._slots - len(self._rows)
        if not self._waiting.fits(free):
            return False
        newcomers = min(self._waiting.samples, free)
        self._waited += 1
        return newcomers * _JOIN_SHARE >= len(self._rows) or self._waited > _JOIN_PATIENCE

    def _admit(self) -> bool:
        """Take in what fits, prefill it and sample its first tokens; whether any call ended by that."""
        self._waited = 0
        calls = self._waiting.take(self._slots - len(self._rows))
        known = [self._prefixes.find(call.prompt) for call in calls]
        starts = [0 if state is None else state.shape[-2] for state in known]
        order = sorted(range(len(calls)), key=lambda i: len(calls[i].prompt) - starts[i])
        ended = False
        for group in _groups_of_like_size(order, [len(calls[i].prompt) - starts[i] for i in order]):
            first = len(self._rows)
            for offset, i in enumerate(group):
                if (state := known[i]) is not None:
                    self._cache.write(first + offset, state)
            logits = self._prefill(first, [calls[i] for i in group], [starts[i] for i in group])
            ended = self._join(first, [calls[i] for i in group], logits) or ended
        return ended

    def _prefill(self, first: int, calls: Sequence[Call], starts: Sequence[int]) -> Tensor:
        """The logits [len(calls), V] after each prompt, its keys and values in the slots from `first` on."""
        rests = [call.prompt[start:] for call, start in zip(calls, starts, strict=True)]
        width = max(map(len, rests))
        tokens = torch.tensor([rest + [0] * (width - len(rest)) for rest in rests], device=self._device)
        positions, visible = self._cache.prepare(first, torch.tensor(starts, device=self._device), width)
        positions = positions.clamp(max=self.context - 1)
        hidden = self._model.base_model(
            input_ids=tokens,
            attention_mask=visible,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        ends = torch.tensor([len(rest) - 1 for rest in rests], device=self._device)
        for offset, (call, start) in enumerate(zip(calls, starts, strict=True)):
            self._remember(first + offset, call.prompt, start)
        logits: Tensor = self._model.lm_head(hidden[torch.arange(len(calls), device=self._device), ends])
        return logits

    def _join(self, first: int, calls: Sequence[Call], logits: Tensor) -> bool:
        """Make rows of prefilled calls, the further samples beside the first ones; whether any call ended by that."""
        slots = list(range(first, first + len(calls)))
        samples = [(call, 0) for call in calls]
        sources = []
        for position, call in enumerate(calls):
            samples += [(call, sample) for sample in range(1, call.request.n)]
            sources += [position] * (call.request.n - 1)
        if sources:
            longest = max(len(call.prompt) for call in calls)
            targets = list(range(first + len(calls), first + len(samples)))
            self._cache.copy([slots[source] for source in sources], targets, longest)
            logits = logits[list(range(len(calls))) + sources]
        for slot, (call, sample) in enumerate(samples, start=first):
            self._rows.append(_Row(call, sample, []))
            self._lengths[slot] = len(call.prompt)
            self._temperature[slot] = call.request.temperature
            self._top_p[slot] = call.request.top_p
            self._draw(slot, call, sample)
        return self._take(first, logits)

    def _draw(self, slot: int, call: Call, sample: int) -> None:
        if call.request.temperature == 0:
            return
        if call.limit > self._uniforms.shape[1]:
            self._uniforms = nn.functional.pad(self._uniforms, (0, call.limit - self._uniforms.shape[1]))
        self._uniforms[slot, : call.limit] = uniform_stream(call.request.seed, sample, call.limit).to(self._device)

    def _decode(self) -> bool:
        """One more token for every live row; whether any call ended."""
        live = len(self._rows)
        if not live:
            return False
        positions, visible = self._cache.prepare(0, self._lengths[:live], 1)
        hidden = self._model.base_model(
            input_ids=self._pending[:live, None],
            attention_mask=visible,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        self._lengths[:live] += 1
        return self._take(0, self._model.lm_head(hidden[:, 0]))

    def _take(self, first: int, logits: Tensor) -> bool:
        """Sample a token for each row from `first` on and let finished rows leave; whether any call ended."""
        rows = self._rows[first:]
        here = slice(first, first + len(rows))
        steps = torch.tensor([len(row.sampled) for row in rows], device=self._device)
        uniforms = self._uniforms[here].gather(1, steps[:, None].clamp(max=self._uniforms.shape[1] - 1))[:, 0]
        chosen = choose_tokens(logits, self._temperature[here], self._top_p[here], uniforms)
        self._pending[here] = chosen
        self._note_confidence(rows, logits, chosen)
        left = []
        ended = False
        for slot, (row, token) in enumerate(zip(rows, chosen.tolist(), strict=True), start=first):
            row.sampled.append(token)
            if (ending := self._ending(row, token)) is not None:
                left.append(slot)
                ended = self._hand_over(row, *ending) or ended
        if left:
            self._leave(left)
        return ended

    @staticmethod
    def _note_confidence(rows: Sequence[_Row], logits: Tensor, chosen: Tensor) -> None:
        asking = [index for index, row in enumerate(rows) if row.call.request.confidence]
        if not asking:
            return
        for index, confidence in zip(asking, token_confidence(logits[asking], chosen[asking]).tolist(), strict=True):
            rows[index].confidence += confidence

    def _ending(self, row: _Row, token: int) -> tuple[str, FinishReason, str | None] | None:
        """Text, reason and stop string of the row if its last token ended it."""
        request = row.call.request
        if token in self._end_tokens:
            return self._stops.decode(row.sampled[:-1]), "stop", None
        if request.stop and token in self._stops.may_end(request.stop):
            text = self._stops.decode(row.sampled)
            if found := self._stops.first_stop(text, request.stop):
                return text[: found[0]], "stop", found[1]
        if len(row.sampled) >= row.call.limit:
            return self._stops.decode(row.sampled), "length", None
        return None

    @staticmethod
    def _hand_over(row: _Row, text: str, reason: FinishReason, stop: str | None) -> bool:
        """Note a row's completion; whether its call ended by that."""
        call, count = row.call, len(row.sampled)
        confidence = row.confidence / count if call.request.confidence else None
        call.done[row.sample] = Sample(Completion(text, count, reason, stop, confidence), tuple(row.sampled))
        if len(call.done) < call.request.n or call.future.done():
            return False
        call.future.set_result([call.done[sample] for sample in range(call.request.n)])
        return True

    def _leave(self, slots: Sequence[int]) -> None:
        """Free slots, and move the last live rows into the gaps so that the live ones stay side by side."""
        for slot in slots:
            row = self._rows[slot]
            # The last sampled token was never fed: its keys and values do not exist.
            self._remember(
                slot, row.call.prompt + row.sampled[:-1], len(row.call.prompt) // BLOCK_TOKENS * BLOCK_TOKENS
            )
        remaining = len(self._rows) - len(slots)
        gone = set(slots)
        gaps = [slot for slot in slots if slot < remaining]
        movers = [slot for slot in range(remaining, len(self._rows)) if slot not in gone]
        if movers:
            self._cache.copy(movers, gaps, int(self._lengths[movers].max()))
            for state in (self._lengths, self._pending, self._temperature, self._top_p, self._uniforms):
                state[gaps] = state[movers]
            for gap, mover in zip(gaps, movers, strict=True):
                self._rows[gap] = self._rows[mover]
        del self._rows[remaining:]

    def _remember(self, slot: int, tokens: list[int], start: int) -> None:
        """Keep the slot's keys and values of `tokens` for later requests; blocks before `start` are held already."""
        first = max(start, self._prefixes.unknown_from(tokens))
        end = len(tokens) // BLOCK_TOKENS * BLOCK_TOKENS
        if first < end:
            self._prefixes.store(tokens, first, self._cache.read(slot, first, end))


def _end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens that end a sequence, by the model's generation settings and its tokenizer."""
    declared = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    ends = declared if isinstance(declared, list) else [declared]
    return frozenset(token for token in (*ends, tokenizer.eos_token_id) if token is not None)


def _groups_of_like_size(order: Sequence[int], sizes: Sequence[int]) -> list[list[int]]:
    """Split prefills, sorted by size, where padding to the longest would waste more than a quarter of the work."""
    groups: list[list[int]] = []
    total = 0
    for item, size in zip(order, sizes, strict=True):
        if groups and size * (len(groups[-1]) + 1) <= 1.25 * (total + size) + 64:
            groups[-1].append(item)
            total += size
        else:
            groups.append([item])
            total = size
    return groups
