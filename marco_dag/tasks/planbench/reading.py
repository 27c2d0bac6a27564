"""Reads a plan out of what a response states, in PDDL or in PlanBench's words, amid text that is neither.

A response is hostile text: reading never raises, and takes time and memory linear in its length. What counts and what
is passed over is written at `read_plan`; whether a plan is any good is not decided here.
"""

import re
from collections.abc import Iterator, Mapping

from marco_dag.tasks.planbench.domain import OPERATORS, Action

_MARKER = re.compile(r"\[(plan|plan end|statement)\]")
_INVISIBLE = [0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF]
_TYPOGRAPHY = dict.fromkeys(_INVISIBLE) | dict.fromkeys(range(0x2010, 0x2016), "-")
"""Soft hyphens, zero-width and direction marks are dropped; every kind of hyphen and dash is read as one."""

_WORD = re.compile(r"[\w-]+")
_NUMBER = re.compile(r"\d+")
_LEAD = re.compile(
    r"""(?: [^\w(] | _
          | \(?\d+[.)]? (?![\w-])
          | (?:steps?|actions?|plan|and|then|next|now|first|second|third|finally|lastly) (?![\w-]) )*+""",
    re.VERBOSE,
)
"""What may stand before an action: numbers, bullets, "Step 3:", "Action:", "then", punctuation."""

_LISTED = re.compile(r"\( \s*+ ([\w-]++) ((?:[\s,]++[\w-]++)*+) \s*+ \)", re.VERBOSE)
_ARTICLE = r"an?\s++(?=[\w-]++\s++block(?![\w-]))"
_TOWARDS = r"(?:from|onto|on|upon|top|of|off|over|to|in|back|down|directly|the)(?![\w-])"
_SAID = re.compile(
    rf"""(?P<verb>unstack|stack|pick[ _-]?up|put[ _-]?down) [\s:]++
         (?P<the> (?: the\s++ | {_ARTICLE} )? )
         (?P<mark> (?: block\s++(?!{_TOWARDS}) )? ) (?P<block>[\w-]++) (?P<end_mark> (?:\s++block(?![\w-]))?+ )
         (?P<towards> (?:\s++{_TOWARDS})*+ )
         (?: \s++ (?:{_ARTICLE})? (?:block\s++)? (?P<other>[\w-]++) (?:\s++block(?![\w-]))?+ )?+
    """,
    re.VERBOSE,
)
_OPERATOR: Mapping[str, str] = {name.replace("-", gap): name for name in OPERATORS for gap in ("-", " ", "_", "")}
_NO_NAMES = frozenset({
    "a", "all", "an", "another", "any", "block", "blocks", "both", "each", "every", "everything", "it", "one", "other",
    "that", "them", "these", "this", "those", "where",
})  # fmt: skip
"""Words that stand where a block's name would, in a sentence that is no step: "pick up a block", "stack them"."""


def read_plan(text: str, names: Mapping[str, str]) -> tuple[Action, ...] | None:
    """The plan that `text` states; None where it states none. `names`: what a block may be called → its PDDL object.

    - **Where**: in the first `[PLAN]` section that states an action, up to the next marker. A text that goes on from
      its prompt's `[PLAN]` begins with such a section. Without markers, anywhere.
    - **What**: a line counts that begins with an action, after numbers, bullets, "Step 3:", "then" and emphasis. More
      actions may follow at once, parted by punctuation or "then"; the rest of the line is passed over, and so is every
      other line. `(unstack b c)`, "unstack b c", "unstack the blue block from on top of the orange block", "pick up
      red"; in any case. The same action once more in the other notation is the same step.
    - **Which**: where the numbers of a list begin again, the plan begins again: the last list counts.
    - **Unknown**: "pick up the purple block", `(pick-up q)`, `(stack a)`, and `(fly a b)` on a line of its own are
      steps of the plan, with the words that they are stated in. "Pick up a block" is a rule and no step.
    - **Nothing**: an empty text, or a section that is blank and closed by `[PLAN END]`, is the plan without a step.
    """
    if not text:
        return ()
    seen = text if text.isascii() else text.translate(_TYPOGRAPHY)
    for section, is_closed in _plan_sections(seen.lower().replace("*", "").replace("`", "")):
        plan = _read_section(section, names)
        if plan or (is_closed and not section.strip()):
            return plan
        if is_closed:
            return None
    return None


def _plan_sections(text: str) -> Iterator[tuple[str, bool]]:
    """The sections that may hold the plan, in order, and whether each is closed by `[PLAN END]`."""
    opening, *rest = _MARKER.split(text)
    markers, bodies = rest[::2], rest[1::2]
    if not markers or markers[0] != "plan":
        yield opening, markers[:1] == ["plan end"]
    for number, (marker, body) in enumerate(zip(markers, bodies, strict=True), start=1):
        if marker == "plan":
            yield body, markers[number : number + 1] == ["plan end"]


def _read_section(section: str, names: Mapping[str, str]) -> tuple[Action, ...]:
    plan: list[Action] = []
    first_number = last_number = 0
    last: tuple[Action, bool] | None = None
    for line in section.splitlines():
        begin = _LEAD.match(line).end()  # type: ignore[union-attr]  # it matches the empty text too
        for place, (action, is_listed) in enumerate(_read_line(line, begin, names)):
            number = _NUMBER.search(line, 0, begin) if place == 0 else None
            if number:
                value = int(number.group()[:9])
                if value <= first_number and value < last_number:
                    plan, last = [], None
                if not plan:
                    first_number = value
                last_number = value
            if last != (action, not is_listed):
                plan.append(action)
                last = action, is_listed
    return tuple(plan)


def _read_line(line: str, position: int, names: Mapping[str, str]) -> Iterator[tuple[Action, bool]]:
    """The actions that stand one after the other from `position` on, and whether each is a parenthesized list."""
    is_first = True
    while True:
        if listed := _LISTED.match(line, position):
            operator, blocks = listed.group(1), _WORD.findall(listed.group(2))
            if operator not in _OPERATOR and not (
                is_first and 1 <= len(blocks) <= 2 and not _WORD.search(line, listed.end())
            ):
                return
            yield Action(_OPERATOR.get(operator, operator), tuple(names.get(block, block) for block in blocks)), True
            position = listed.end()
        elif said := _SAID.match(line, position):
            action, position = _understood(said, names)
            if action is None:
                return
            yield action, False
        else:
            return
        is_first = False
        position = _LEAD.match(line, position).end()  # type: ignore[union-attr]


def _understood(said: re.Match[str], names: Mapping[str, str]) -> tuple[Action | None, int]:
    """The action that a sentence begins with, or None where it only looks like one; and where the action ends."""
    operator, block, other = _OPERATOR[said["verb"]], said["block"], said["other"]
    is_marked = bool(said["mark"] or said["end_mark"])
    if block in _NO_NAMES and (said["end_mark"] or block not in names) and not said["the"]:
        return None, 0
    if block not in names and not is_marked and (said["the"] or (other and not said["towards"])):
        return None, 0
    blocks = [names.get(block, block)]
    is_known = other in names and not (OPERATORS[operator] == 1 and (other in _NO_NAMES or not said["towards"]))
    if is_known or (OPERATORS[operator] == 2 and said["towards"] and other):
        blocks.append(names.get(other, other))
    elif other and other != "table":
        return Action(operator, tuple(blocks)), said.start("other")
    return Action(operator, tuple(blocks)), said.end()
