"""Blocksworld problems: the strict part of PDDL that PlanBench writes, read into a state and a goal.

A problem comes from people's files: anything that could not be verified against is refused with a reason, in time and
depth that its length bounds. No other domain, no types, no negation.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from marco_dag.tasks.answers import shown
from marco_dag.tasks.planbench.domain import COLOURS, DOMAIN_NAME, OPERATORS, PREDICATES

Fact: TypeAlias = tuple[str, ...]
"""A predicate and its blocks: `("on", "a", "b")`."""

_Node: TypeAlias = "str | list[_Node]"

_MAX_CHARS = 20_000
_MAX_DEPTH = 8  # (define (:goal (and (on a b)))) needs 4; what is merely wrong should be named
_TOKEN = re.compile(r"[()]|[^\s()]+")
_COMMENT = re.compile(r";[^\n]*")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}", re.ASCII)
_RESERVED = frozenset({*PREDICATES, *OPERATORS, "and", "not", "or", "either", "object", "total-cost"})
_PLACES = ("on", "ontable", "holding")
_SECTIONS = (":domain", ":requirements", ":objects", ":init", ":goal")


@dataclass(frozen=True, slots=True)
class Problem:
    """A possible state of the blocks and a goal that some state meets."""

    blocks: tuple[str, ...]
    """The PDDL objects, in the order of the file."""
    init: frozenset[Fact]
    """Everything that holds at first."""
    goal: frozenset[Fact]
    """What must hold in the end; not empty."""
    names: Mapping[str, str]
    """What a response may call a block, in lower case → its PDDL object: the object itself, or PlanBench's colour."""


@lru_cache(maxsize=1024)
def parse_problem(text: str) -> Problem:
    """The problem that a PDDL text states; ValueError("problem: reason") where it is none of this domain or impossible.

    At most 20,000 characters; names are read in lower case, as PDDL has it.
    """
    if len(text) > _MAX_CHARS:
        raise _fault(f"has {len(text)} characters, more than {_MAX_CHARS}")
    sections = _sections(_read_list(text.lower()))
    if sections[":domain"] != [DOMAIN_NAME]:
        raise _fault(f"its domain must be {DOMAIN_NAME}, not {_quoted(sections[':domain'])}")
    blocks = _objects(sections[":objects"])
    init = _facts(":init", sections[":init"], blocks)
    goal = _facts(":goal", _conjuncts(sections[":goal"]), blocks)
    if not goal:
        raise _fault("its :goal asks for nothing")
    if defect := _contradiction(init) or _gap(init, blocks):
        raise _fault(f"its :init is no possible state: {defect}")
    if defect := _contradiction(goal):
        raise _fault(f"its :goal holds in no state: {defect}")
    names = {COLOURS[block]: block for block in blocks if block in COLOURS} | {block: block for block in blocks}
    return Problem(blocks, init, goal, names)


def _read_list(text: str) -> "list[_Node]":
    """The one parenthesized list that the text consists of."""
    top: list[_Node] = []
    open_lists = [top]
    for token in _TOKEN.findall(_COMMENT.sub("", text)):
        if token == "(":
            if len(open_lists) > _MAX_DEPTH:
                raise _fault(f"is nested more than {_MAX_DEPTH} deep")
            inner: list[_Node] = []
            open_lists[-1].append(inner)
            open_lists.append(inner)
        elif token == ")":
            if len(open_lists) == 1:
                raise _fault("closes a parenthesis that was never opened")
            open_lists.pop()
        else:
            open_lists[-1].append(token)
    if len(open_lists) > 1:
        raise _fault("leaves a parenthesis open")
    if len(top) != 1 or not isinstance(top[0], list):
        raise _fault("is not one PDDL definition: (define (problem …) …)")
    return top[0]


def _sections(definition: "list[_Node]") -> "dict[str, list[_Node]]":
    """What stands in each section; those that may be missing are empty."""
    match definition:
        case ["define", ["problem", str()], *rest]:
            pass
        case _:
            raise _fault("does not begin with (define (problem NAME)")
    found: dict[str, list[_Node]] = {}
    for part in rest:
        if not isinstance(part, list) or not part or part[0] not in _SECTIONS:
            raise _fault(f"holds {_quoted(part)}, where one of {', '.join(_SECTIONS)} was expected")
        name = str(part[0])
        if name in found:
            raise _fault(f"has two {name} sections")
        found[name] = part[1:]
    if list(found) != [name for name in _SECTIONS if name in found]:
        raise _fault(f"has its sections out of order; the order is {', '.join(_SECTIONS)}")
    if missing := [name for name in _SECTIONS if name not in found and name != ":requirements"]:
        raise _fault(f"has no {missing[0]} section")
    if found.get(":requirements", [":strips"]) != [":strips"]:
        raise _fault(f"requires more than :strips: {_quoted(found[':requirements'])}")
    return found


def _objects(nodes: "Sequence[_Node]") -> tuple[str, ...]:
    blocks: dict[str, None] = {}
    for node in nodes:
        if not isinstance(node, str) or not _NAME.fullmatch(node) or node in _RESERVED:
            raise _fault(f"its :objects hold {_quoted(node)}, which is no block's name")
        if node in blocks:
            raise _fault(f"its :objects hold {node} twice")
        blocks[node] = None
    return tuple(blocks)


def _conjuncts(nodes: "list[_Node]") -> "Sequence[_Node]":
    match nodes:
        case [["and", *conjuncts]]:
            return conjuncts
        case [list()]:
            return nodes
    raise _fault("its :goal is neither one fact nor (and …)")


def _facts(section: str, nodes: "Sequence[_Node]", blocks: Sequence[str]) -> frozenset[Fact]:
    known, facts = frozenset(blocks), set()
    for node in nodes:
        if not isinstance(node, list) or not all(isinstance(part, str) for part in node):
            raise _fault(f"its {section} holds {_quoted(node)}, which is no fact")
        predicate, *about = map(str, node) if node else ("",)
        if PREDICATES.get(predicate) != len(about):
            raise _fault(f"its {section} holds {_quoted(node)}; facts are {_FACT_FORMS}")
        if stranger := next((block for block in about if block not in known), None):
            raise _fault(f"its {section} names {shown(stranger)}, which is none of its :objects")
        facts.add((predicate, *about))
    return frozenset(facts)


_FACT_FORMS = ", ".join(f"({' '.join((name, *('XY'[:count])))})" for name, count in PREDICATES.items())


def _contradiction(facts: frozenset[Fact]) -> str | None:
    """Why no state holds all these facts, or None where one does: every block that they do not place can lie aside."""
    place: dict[str, Fact] = {}
    above: dict[str, Fact] = {}
    for fact in sorted(fact for fact in facts if fact[0] in _PLACES):
        if fact[1] in place:
            return _both(place[fact[1]], fact)
        if fact[0] == "on" and fact[2] in above:
            return _both(above[fact[2]], fact)
        place[fact[1]] = fact
        if fact[0] == "on":
            above[fact[2]] = fact
    held = [fact for fact in place.values() if fact[0] == "holding"]
    if len(held) > 1:
        return _both(*held[:2])
    if held and ("handempty",) in facts:
        return _both(("handempty",), held[0])
    if held and held[0][1] in above:
        return _both(held[0], above[held[0][1]])
    for fact in sorted(facts):
        if fact[0] == "clear" and (cover := above.get(fact[1])):
            return _both(fact, cover)
        if fact[0] == "clear" and place.get(fact[1]) in held:
            return _both(fact, place[fact[1]])
    return _ring(place)


def _ring(place: Mapping[str, Fact]) -> str | None:
    """Which block stands on itself, by way of others or not."""
    settled: set[str] = set()
    for start in place:
        block = start
        walked: dict[str, None] = {}
        while block not in settled and place.get(block, ("",))[0] == "on":
            if block in walked:
                return f"{block} stands on itself"
            walked[block] = None
            block = place[block][2]
        settled.update(walked)
    return None


def _gap(state: frozenset[Fact], blocks: Sequence[str]) -> str | None:
    """What a state must say and this one does not, or None where it says all."""
    placed = {fact[1] for fact in state if fact[0] in _PLACES}
    if floating := next((block for block in blocks if block not in placed), None):
        return f"{floating} is nowhere"
    held = {fact[1] for fact in state if fact[0] == "holding"}
    if not held and ("handempty",) not in state:
        return "nothing is held, but (handempty) is missing"
    covered = held | {fact[2] for fact in state if fact[0] == "on"}
    unsaid = next((block for block in blocks if block not in covered and ("clear", block) not in state), None)
    return f"nothing is on {unsaid}, but (clear {unsaid}) is missing" if unsaid else None


def _both(one: Fact, other: Fact) -> str:
    return f"({' '.join(one)}) and ({' '.join(other)})"


def _quoted(node: "_Node | Sequence[_Node]") -> str:
    """A piece of the text as a message shows it; what is nested in it stays out."""
    if isinstance(node, str):
        return shown(node)
    return shown(f"({' '.join(part if isinstance(part, str) else '(…)' for part in node[:8])})")


def _fault(reason: str) -> ValueError:
    return ValueError(f"problem: {reason}")
