"""How a thought is asked for, and of whom.

A thought is the continuation of a conversation (an optional system message that teaches the tags, and the user's
prompt) and of the chain so far, with the thought's opening tag and opening words already written. It ends at its
closing tag.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from marco_dag.engines.protocol import Message, Request, Role
from marco_dag.errors import ProfileError
from marco_dag.identity import derive_seed
from marco_dag.search.config import SearchConfig
from marco_dag.search.tree import Node, ThoughtNode, chain_text
from marco_dag.thoughts import ThoughtKind, holds_tag

OPENINGS: Mapping[ThoughtKind, str] = {
    ThoughtKind.SUB_TASK: "Firstly, I need to break down this task.",
    ThoughtKind.HYPOTHESIS: "I propose the following hypothesis:",
    ThoughtKind.DOUBLE_CHECK: "Now, I need to check whether all requirements are met.",
    ThoughtKind.REFLECTION: "Let's check the result. Wait! something is wrong",
    ThoughtKind.RECLARIFY: "To ensure clarity, let me restate",
    ThoughtKind.THINKING_FROM_SCRATCH: "Let me think again from scratch.",
    ThoughtKind.ANSWER: "The answer is:",
}
"""The words that open a thought of each kind (paper §3.1); a Thinking simply continues."""

CRITIC_KINDS = frozenset({ThoughtKind.REFLECTION, ThoughtKind.RECLARIFY, ThoughtKind.DOUBLE_CHECK})
"""What the critic writes, since a model repeats its own errors; the generator writes all else."""

INSTRUCTIONS = """\
Solve the task. Write nothing but a sequence of blocks, one a step, each between its tags, without tags inside:
<sub-task>breaks the task down into parts</sub-task>
<thinking>carries the reasoning one step further</thinking>
<hypothesis>proposes a result to be worked towards</hypothesis>
<double-check>checks whether all requirements are met</double-check>
<reflection>says what was wrong with the last result</reflection>
<reclarify>restates the task to get it right</reclarify>
<thinking-from-scratch>starts the reasoning over</thinking-from-scratch>
<answer>states the final answer and nothing else</answer>
Keep each block short, close it, and end with the answer."""
"""The built-in system message that teaches a general model the tags."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for the children of one kind below one node."""

    key: str
    """Names this ask among all of its tree: the journal keeps its completions under it."""
    parent: Node
    """Where the children will hang."""
    kind: ThoughtKind
    """What they will be."""
    role: Role
    """Whose engine writes them."""
    forced: bool
    """Whether a wrong answer forces them."""
    opening: str
    """The words that already stand in the request's prefix behind the opening tag."""
    request: Request
    """What the engine is given."""


class PromptWriter:
    """Writes the requests of one tree.

    A request's seed depends on the search's seed, the tree, the parent, the kind and the draw, and for a forced thought
    on the wrong answer; never on when it is asked. ProfileError where an opening holds a tag.
    """

    def __init__(self, prompt: str, tree_id: str, config: SearchConfig, seed: int) -> None:
        self._config = config
        self._tree_id = tree_id
        self._seed = seed
        self._openings = OPENINGS if config.openings is None else config.openings
        for kind, opening in self._openings.items():
            if holds_tag(opening):
                raise ProfileError(f"search.openings.{kind}: {opening!r} holds a tag; tags are written by the search")
        instructions = INSTRUCTIONS if config.instructions is None else config.instructions
        system = (Message("system", instructions),) if instructions else ()
        self._messages = (*system, Message("user", prompt))
        self._confidence = config.wants_confidence

    def ask(self, parent: Node, chain: str, kind: ThoughtKind, *, n: int | None = None, draw: int = 0) -> Ask:
        """Ask for `n` thoughts (default: `config.children`) of `kind` below `parent`, whose rendered chain is `chain`.

        `draw` numbers the asks of one kind below one node where a strategy samples there several times.
        """
        return self._ask(parent, chain, kind, self._config.children if n is None else n, None, draw)

    def ask_after(self, wrong: ThoughtNode, kind: ThoughtKind, *, draw: int = 0) -> Ask:
        """Ask for one thought of `kind` that answers to a wrong answer; it hangs beside that answer, below its parent.

        So no chain holds a wrong answer before its own. The critic sees the answer at the end of the chain, to say what
        is wrong with it; the generator goes on from the chain as it will stand.
        """
        parent = wrong.parent
        if parent is None:
            raise ValueError("an answer in a tree has a parent")
        seen = wrong if _role_of(kind) == "critic" else parent
        return self._ask(parent, chain_text(seen), kind, 1, wrong.node_id, draw)

    def _ask(self, parent: Node, chain: str, kind: ThoughtKind, n: int, wrong: str | None, draw: int) -> Ask:
        config = self._config
        opening = self._openings.get(kind, "")
        request = Request(
            messages=self._messages,
            prefix=f"{chain}{kind.opening_tag}{opening}",
            stop=(kind.closing_tag,),
            n=n,
            max_tokens=config.max_thought_tokens,
            temperature=config.temperature,
            top_p=config.top_p,
            seed=derive_seed(self._seed, self._tree_id, parent.node_id, kind, wrong, draw),
            confidence=self._confidence,
        )
        key = f"{wrong or parent.node_id or 'prompt'}/{kind}/{draw}"
        return Ask(key, parent, kind, _role_of(kind), wrong is not None, opening, request)


def _role_of(kind: ThoughtKind) -> Role:
    return "critic" if kind in CRITIC_KINDS else "generator"
