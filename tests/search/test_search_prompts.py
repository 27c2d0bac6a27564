import pytest

from marco_dag.engines.protocol import Message
from marco_dag.errors import ProfileError
from marco_dag.search import SearchConfig
from marco_dag.search.prompts import INSTRUCTIONS, OPENINGS, PromptWriter
from marco_dag.search.tree import Node, ThoughtNode, Tree
from marco_dag.thoughts import TAGS, Thought, ThoughtKind

PLAN = "<sub-task>plan</sub-task>"


def writer(seed: int = 0, tree_id: str = "tree-1", **settings: object) -> PromptWriter:
    return PromptWriter("How many a in banana?", tree_id, SearchConfig.model_validate(settings), seed)


def node(tree: Tree, parent: Node, kind: ThoughtKind, text: str) -> ThoughtNode:
    thought = Thought(kind, text)
    return ThoughtNode(
        node_id=tree.node_id(parent, thought, "generator"),
        parent=parent,
        thought=thought,
        role="generator",
        model_digest="m",
        sampling_seed=0,
        sample=0,
        tokens=1,
        finish_reason="stop",
    )


@pytest.fixture
def wrong() -> ThoughtNode:
    tree = Tree("tree-1")
    return node(tree, node(tree, tree.root, ThoughtKind.SUB_TASK, "plan"), ThoughtKind.ANSWER, "2")


def test_a_request_is_the_conversation_and_the_chain_so_far() -> None:
    ask = writer(
        openings={"thinking": "So"},
        instructions="Use tags.",
        children=3,
        max_thought_tokens=7,
        temperature=0.5,
        top_p=0.8,
    ).ask(Tree("tree-1").root, PLAN, ThoughtKind.THINKING)
    request = ask.request
    assert request.messages == (Message("system", "Use tags."), Message("user", "How many a in banana?"))
    assert request.prefix == PLAN + "<thinking>So"
    assert request.stop == ("</thinking>",)
    assert (request.n, request.max_tokens, request.temperature, request.top_p) == (3, 7, 0.5, 0.8)
    assert ask.opening == "So"


def test_without_instructions_there_is_no_system_message() -> None:
    assert writer(instructions="").ask(Tree("t").root, "", ThoughtKind.THINKING).request.messages == (
        Message("user", "How many a in banana?"),
    )


def test_by_default_the_papers_words_open_a_thought_and_the_system_message_teaches_every_tag() -> None:
    request = writer().ask(Tree("t").root, "", ThoughtKind.SUB_TASK).request
    assert request.prefix == "<sub-task>Firstly, I need to break down this task."
    assert request.messages[0] == Message("system", INSTRUCTIONS)
    assert all(tag in INSTRUCTIONS for tag in TAGS)
    assert ThoughtKind.THINKING not in OPENINGS


@pytest.mark.parametrize("kind", list(ThoughtKind))
def test_the_critic_writes_what_checks(kind: ThoughtKind) -> None:
    checks = {ThoughtKind.REFLECTION, ThoughtKind.RECLARIFY, ThoughtKind.DOUBLE_CHECK}
    assert writer().ask(Tree("t").root, "", kind).role == ("critic" if kind in checks else "generator")


def test_a_forced_thought_sees_the_wrong_answer_but_hangs_beside_it(wrong: ThoughtNode) -> None:
    ask = writer(openings={"reflection": "Wait!"}).ask_after(wrong, ThoughtKind.REFLECTION)
    assert ask.request.prefix == PLAN + "<answer>2</answer><reflection>Wait!"
    assert ask.parent is wrong.parent
    assert (ask.role, ask.forced, ask.request.n) == ("critic", True, 1)


def test_a_forced_thinking_is_the_generators_and_goes_on_without_the_wrong_answer(wrong: ThoughtNode) -> None:
    ask = writer().ask_after(wrong, ThoughtKind.THINKING)
    assert (ask.role, ask.forced, ask.request.prefix) == ("generator", True, PLAN + "<thinking>")


def test_seeds_depend_on_search_tree_parent_kind_and_wrong_answer(wrong: ThoughtNode) -> None:
    root = Tree("tree-1").root
    parent = wrong.parent
    assert parent is not None
    asks = [
        writer().ask(root, "", ThoughtKind.THINKING),
        writer(seed=1).ask(root, "", ThoughtKind.THINKING),
        writer(tree_id="tree-2").ask(root, "", ThoughtKind.THINKING),
        writer().ask(parent, PLAN, ThoughtKind.THINKING),
        writer().ask(root, "", ThoughtKind.HYPOTHESIS),
        writer().ask_after(wrong, ThoughtKind.THINKING),
    ]
    assert len({ask.request.seed for ask in asks}) == len(asks)
    assert writer().ask(root, "", ThoughtKind.THINKING) == asks[0]


def test_an_opening_that_holds_a_tag_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"search\.openings\.thinking: '<answer>3' holds a tag"):
        writer(openings={"thinking": "<answer>3"})
