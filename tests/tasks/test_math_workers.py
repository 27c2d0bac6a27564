"""The processes that run math-verify: kept, replaced, shared by threads, left alone by forks, gone with the parent."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from marco_dag.errors import TaskError
from marco_dag.tasks.math import checkers, worker
from marco_dag.tasks.math.checkers import MAX_WORKERS, MEMORY_BYTES, ask_math_verify

ROOT = Path(__file__).parents[2]
SUM = [("x+1", "1+x")]


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    return [child for child in process.children() if worker.__file__ in child.cmdline()]


def is_there(process: psutil.Process) -> bool:
    """Whether it runs: nobody may be there to take leave of an orphan."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_one_worker_serves_one_thread_again_and_again() -> None:
    assert ask_math_verify(SUM) == "equal"
    before = workers_of(psutil.Process())
    assert [ask_math_verify([("x", "y"), ("1", "1")]) for _ in range(20)] == ["different"] * 20
    assert workers_of(psutil.Process()) == before


def test_findings_tell_what_cannot_be_read() -> None:
    assert ask_math_verify([("((", "x")]) == "unreadable_gold"
    assert ask_math_verify([("x", "((")]) == "unreadable_answer"
    assert ask_math_verify([]) == "equal"


def test_threads_may_ask_at_once() -> None:
    pairs = [(f"x+{number}", f"{number + number % 2}+x") for number in range(60)]
    with ThreadPoolExecutor(2 * MAX_WORKERS) as pool:
        found = list(pool.map(lambda pair: ask_math_verify([pair]), pairs))
    assert found == ["equal", "different"] * 30
    assert len(workers_of(psutil.Process())) <= MAX_WORKERS + 1


def test_a_worker_that_was_killed_while_idle_is_replaced_without_blaming_the_answer() -> None:
    assert ask_math_verify(SUM) == "equal"
    idle = workers_of(psutil.Process())
    for one in idle:
        one.kill()
    psutil.wait_procs(idle, timeout=10)
    assert ask_math_verify(SUM) == "equal"


def test_memory_is_bounded() -> None:
    """A worker asked for more than its address space says so or ends, and the next answer is checked."""
    assert ask_math_verify([("x", r"\binom{10^9}{5\cdot 10^8}")]) != "equal"
    assert ask_math_verify([("5", r"3^{3^{21}}")]) != "equal"
    assert ask_math_verify(SUM) == "equal"
    assert all(one.memory_info().vms <= MEMORY_BYTES for one in workers_of(psutil.Process()))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_has_workers_of_its_own() -> None:
    assert ask_math_verify(SUM) == "equal"
    before = set(workers_of(psutil.Process()))
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        assert pool.apply(ask_math_verify, (SUM,)) == "equal"
    assert set(workers_of(psutil.Process())) == before
    assert ask_math_verify(SUM) == "equal"


def test_a_worker_that_cannot_start_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "math_verify.py").write_text("raise ImportError('there is no math-verify')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    pool = checkers._Pool()
    with pytest.raises(TaskError, match=r"does not start.*ImportError: there is no math-verify"):
        pool.ask(b"[]\n")
    pool.end()


SCRIPT = """
import sys, time
from marco_dag.tasks import TASKS
print(TASKS["math"].verify(r"\\boxed{x+1}", {"answer": "1+x"}).outcome, flush=True)
if sys.argv[1:]:
    time.sleep(60)
"""


def test_exit_leaves_no_worker_and_warns_of_nothing() -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", SCRIPT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("correct\n", "")


def test_workers_end_with_a_parent_that_was_killed() -> None:
    command = [sys.executable, "-c", SCRIPT, "wait"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "correct\n"
        workers = workers_of(psutil.Process(parent.pid))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    assert workers
    deadline = time.monotonic() + 10
    while any(map(is_there, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_there, workers))


def test_the_task_is_imported_without_what_its_workers_import() -> None:
    script = "import sys, marco_dag.tasks; assert not {'math_verify', 'sympy'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
