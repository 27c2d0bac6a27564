"""Transition patterns: which thought may follow which, as data (paper §3.1, Figure 2).

The paper's four are in `PATTERNS`; a profile can add its own as a `PatternConfig`. This module does not write thoughts
(`marco_dag.search.prompts`) and does not decide which branch of a tree is grown (`marco_dag.search.tree`).
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from marco_dag.errors import ProfileError
from marco_dag.search.config import PatternConfig, SearchConfig
from marco_dag.thoughts import ThoughtKind

_ANSWER = ThoughtKind.ANSWER


@dataclass(frozen=True, slots=True)
class Pattern:
    """A transition pattern; a chain that obeys it always ends in an Answer."""

    name: str
    """How the trees table names it."""
    first: tuple[ThoughtKind, ...]
    """The kinds that may follow the prompt."""
    transitions: Mapping[ThoughtKind, tuple[ThoughtKind, ...]]
    """For each kind, the kinds that may follow it; an Answer has none."""
    on_wrong: ThoughtKind | None
    """The kind that is forced after a wrong answer; None: a wrong answer ends the rollout."""
    _choices: dict[tuple[ThoughtKind | None, frozenset[ThoughtKind], int], tuple[ThoughtKind, ...]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def next_kinds(self, stretch: Sequence[ThoughtKind], room: int, max_repeats: int) -> tuple[ThoughtKind, ...]:
        """The kinds that may follow, in the pattern's order, such that an Answer can still end the chain.

        `stretch`: the kinds of the chain since its last forced thought, that one included (empty at the prompt);
        `room`: thoughts the chain may still take, its answer included; `max_repeats`: how often a kind may stand in a
        stretch. Where an Answer needs all the room that is left, only the shortest ways to it are offered.
        """
        last = stretch[-1] if stretch else None
        used_up = frozenset(kind for kind in stretch if stretch.count(kind) >= max_repeats)
        state = (last, used_up, room)
        if state not in self._choices:
            followers = self.first if last is None else self.transitions.get(last, ())
            self._choices[state] = tuple(kind for kind in followers if self._fits(kind, used_up, room))
        return self._choices[state]

    def may_force(self, room: int) -> bool:
        """Whether `on_wrong` and the shortest way from it to an Answer fit into `room` more thoughts."""
        return self.on_wrong is not None and self._fits(self.on_wrong, frozenset(), room)

    def shortest(self, kind: ThoughtKind, used_up: frozenset[ThoughtKind] = frozenset()) -> int | None:
        """Thoughts on the shortest way from `kind` to an Answer, both included; None where there is no way.

        Kinds in `used_up` are not passed. A shortest way passes no kind twice, so looking at `used_up` once is exact.
        """
        queue = deque([(kind, 1)])
        seen = {kind, *used_up}
        while queue:
            here, length = queue.popleft()
            if here is _ANSWER:
                return length
            for follower in self.transitions.get(here, ()):
                if follower not in seen:
                    seen.add(follower)
                    queue.append((follower, length + 1))
        return None

    def _fits(self, kind: ThoughtKind, used_up: frozenset[ThoughtKind], room: int) -> bool:
        length = None if kind in used_up else self.shortest(kind, used_up)
        return length is not None and length <= room


def _pattern(
    name: str, on_wrong: ThoughtKind | None, transitions: Mapping[ThoughtKind, tuple[ThoughtKind, ...]]
) -> Pattern:
    return Pattern(name, (ThoughtKind.SUB_TASK,), transitions, on_wrong)


_THINK_ON = (ThoughtKind.THINKING, _ANSWER)

PATTERNS: Mapping[str, Pattern] = {
    pattern.name: pattern
    for pattern in (
        _pattern(
            "a",
            ThoughtKind.REFLECTION,
            {
                ThoughtKind.SUB_TASK: (ThoughtKind.THINKING,),
                ThoughtKind.THINKING: _THINK_ON,
                ThoughtKind.REFLECTION: (ThoughtKind.THINKING,),
            },
        ),
        _pattern(
            "b",
            ThoughtKind.THINKING,
            {
                ThoughtKind.SUB_TASK: (ThoughtKind.HYPOTHESIS, ThoughtKind.THINKING),
                ThoughtKind.HYPOTHESIS: (ThoughtKind.THINKING,),
                ThoughtKind.THINKING: _THINK_ON,
            },
        ),
        _pattern(
            "c",
            None,
            {
                ThoughtKind.SUB_TASK: (ThoughtKind.THINKING,),
                ThoughtKind.THINKING: (ThoughtKind.THINKING, ThoughtKind.DOUBLE_CHECK),
                ThoughtKind.DOUBLE_CHECK: _THINK_ON,
            },
        ),
        _pattern(
            "d",
            ThoughtKind.RECLARIFY,
            {
                ThoughtKind.SUB_TASK: (ThoughtKind.HYPOTHESIS, ThoughtKind.THINKING),
                ThoughtKind.HYPOTHESIS: (ThoughtKind.THINKING,),
                ThoughtKind.THINKING: _THINK_ON,
                ThoughtKind.RECLARIFY: (ThoughtKind.THINKING,),
            },
        ),
        _pattern(
            "upstream",
            ThoughtKind.REFLECTION,
            {
                ThoughtKind.SUB_TASK: (ThoughtKind.THINKING,),
                ThoughtKind.THINKING: _THINK_ON,
                ThoughtKind.REFLECTION: (ThoughtKind.THINKING, ThoughtKind.THINKING_FROM_SCRATCH),
                ThoughtKind.THINKING_FROM_SCRATCH: _THINK_ON,
            },
        ),
    )
}
"""The paper's four by letter, and `upstream`: (a) with upstream's thinking-from-scratch after a reflection.

The figure shows no check after (c)'s answer, so (c) forces nothing after a wrong one: its errors are for Double-Check.
"""


def resolve_patterns(config: SearchConfig) -> tuple[Pattern, ...]:
    """The patterns a profile names or spells out, in its order; a shipped name given twice is drawn twice as often.

    ProfileError names the pattern, the field, what is wrong with it and what is allowed.
    """
    if not config.patterns:
        raise ProfileError(f"search.patterns: empty; name at least one of {', '.join(PATTERNS)}, or spell one out")
    patterns = tuple(_named(entry) if isinstance(entry, str) else _from_config(entry) for entry in config.patterns)
    own = [entry.name for entry in config.patterns if isinstance(entry, PatternConfig)]
    for name in own:
        if name in PATTERNS or own.count(name) > 1:
            raise ProfileError(f"search.patterns: pattern {name!r}: name: already taken; choose another")
    for pattern in patterns:
        shortest = min(length for kind in pattern.first if (length := pattern.shortest(kind)) is not None)
        if shortest > config.max_depth:
            raise ProfileError(
                f"search.max_depth: {config.max_depth} is too small for pattern {pattern.name!r}, "
                f"whose shortest chain has {shortest} thoughts"
            )
    return patterns


def _named(name: str) -> Pattern:
    if name not in PATTERNS:
        raise ProfileError(f"search.patterns: no pattern {name!r}; known: {', '.join(PATTERNS)}; or spell one out")
    return PATTERNS[name]


def _from_config(config: PatternConfig) -> Pattern:
    pattern = Pattern(config.name, config.first, config.transitions, config.on_wrong)
    if config.transitions.get(_ANSWER):
        raise _flaw(config, f"transitions.{_ANSWER}", "an answer ends the chain; nothing may follow it")
    _check_kinds(pattern, config, "first", config.first)
    for kind, followers in config.transitions.items():
        if kind is not _ANSWER:
            _check_kinds(pattern, config, f"transitions.{kind}", followers)
    if config.on_wrong is _ANSWER:
        raise _flaw(config, "on_wrong", "a wrong answer cannot be followed by an answer at once; name another kind")
    if config.on_wrong is not None:
        _check_reaches_answer(pattern, config, "on_wrong", config.on_wrong)
    return pattern


def _check_kinds(pattern: Pattern, config: PatternConfig, place: str, kinds: tuple[ThoughtKind, ...]) -> None:
    if not kinds:
        raise _flaw(config, place, "empty; name at least one kind that may follow")
    if len(set(kinds)) < len(kinds):
        raise _flaw(config, place, "names a kind twice")
    if ThoughtKind.REFLECTION in kinds:
        raise _flaw(config, place, "a reflection may only follow a failed check; name it in on_wrong instead")
    for kind in kinds:
        _check_reaches_answer(pattern, config, place, kind)


def _check_reaches_answer(pattern: Pattern, config: PatternConfig, place: str, kind: ThoughtKind) -> None:
    if kind is not _ANSWER and not config.transitions.get(kind):
        raise _flaw(config, f"transitions.{kind}", f"missing or empty, but {place} leads to {kind}")
    if pattern.shortest(kind) is None:
        raise _flaw(config, place, f"no answer can be reached from {kind}")


def _flaw(config: PatternConfig, place: str, reason: str) -> ProfileError:
    return ProfileError(f"search.patterns: pattern {config.name!r}: {place}: {reason}")
