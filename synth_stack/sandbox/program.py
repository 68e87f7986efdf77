"""What the two children of a run do: one holds the solution and answers, the other runs the tests.

The solution's process never has the tests, their expected values, their built-ins or the word that says that
they passed; it sees the arguments of calls and sends back values (`values`) and handles (`peers`). So nothing
that it does to its own interpreter makes a test pass. docs/sandbox.md says what is left to it.
"""

import ast
import builtins
import errno
import io
import itertools
import json
import os
import random
import sys
import threading
from collections.abc import Callable
from types import CodeType, FunctionType, ModuleType
from typing import Any

from synth_stack.sandbox.line import LostError
from synth_stack.sandbox.modes import FAILING, NEGATED, REAL
from synth_stack.sandbox.peers import Peer
from synth_stack.sandbox.values import ForeignValueError

SOLUTION, TESTS = "solution", "tests"
PASSED, FAILED, MEMORY, BLOCKED, SPACE, LOST = "passed", "failed", "memory", "blocked", "space", "lost"
UNPARSABLE, UNPARSABLE_TESTS = "unparsable", "unparsable_tests"
STATUSES = frozenset({PASSED, FAILED, MEMORY, BLOCKED, SPACE, LOST, UNPARSABLE, UNPARSABLE_TESTS})
"""What the process of the tests may say of a run; the last two only where its runtime alone can parse."""

_COUNTER = "__held__"
_REASON_CHARS = 300
_PRINTED_CHARS = 8192
_SPARE_BYTES = 1 << 20
_REFUSALS = (errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOSYS)
_SHORTAGES = (errno.EFBIG, errno.ENOSPC, errno.EDQUOT, errno.EMFILE)


def hold_solution(line: int, source: int) -> None:
    """Load the solution that is read from the file `source`, and answer on `line` until it closes.

    Random numbers start from one seed. What Python code prints goes to the tests, which may capture it, and
    what it asks of `input` is asked there.
    """
    peer = Peer(line, strict=False, printed=lambda _: None)
    relay = _Relay(peer)
    peer.before_answer = relay.flush
    sys.stdout = relay
    builtins.input = lambda *prompt: peer.ask("input", *map(str, prompt))
    random.seed(0)
    spare = bytearray(_SPARE_BYTES)  # memory to say with that there is no memory
    try:
        text = _read_all(source).decode("utf-8", "surrogatepass")
        module = ModuleType(SOLUTION)
        sys.modules[SOLUTION] = module
        exec(compile(text, f"{SOLUTION}.py", "exec", dont_inherit=True), vars(module))  # noqa: S102
        message = ["n", peer.handles.export(module), _describe_names(peer, module)]
    except BaseException as exc:  # noqa: BLE001  (SystemExit and KeyboardInterrupt are ends like any other)
        del spare
        message = ["x", *_describe_failure(exc)]
    relay.flush()
    peer.send(message)
    peer.serve()


def run_tests(line: int, tests: int, answer: int) -> None:
    """Run the tests that are read from the file `tests` against the solution on `line`.

    Writes to the file `answer`, as JSON: a status, a reason, how many checks held when the tests came to
    their end, and whether it was an assert of theirs that did not. Random numbers start from one seed.
    """
    random.seed(0)
    spare = bytearray(_SPARE_BYTES)
    count = itertools.count()
    try:
        peer = Peer(line, strict=True, printed=_print)
        loaded = _await_solution(peer)
        if loaded[0] == "x":
            said = [*map(str, loaded[1:3]), 0, False]
            said[0] = said[0] if said[0] in {FAILED, MEMORY, BLOCKED, SPACE} else FAILED
        else:
            sent = _read_all(tests)
            mode = sent[:1]
            _run(sent[1:].decode("utf-8", "surrogatepass"), mode, peer, loaded, count.__next__)
            said = [
                PASSED,
                "",
                next(count) if mode == REAL else 1,
                False,
            ]  # a control has come to its end: enough
    except LostError as exc:
        said = [LOST, str(exc), 0, False]
    except BaseException as exc:  # noqa: BLE001
        del spare
        said = [*_describe_failure(exc), 0, isinstance(exc, AssertionError) and _is_own(exc)]
    os.write(answer, json.dumps(said).encode())


def _await_solution(peer: Peer) -> list[Any]:
    """The first message that is no question: the solution's names, or why it did not load."""
    while True:
        message = peer.receive()
        if message[0] in {"?", "o"}:
            peer.take(message)
        elif message[0] in {"n", "x"} and len(message) == 3:
            return message
        else:
            raise LostError("the solution sent no names")


def _run(source: str, mode: bytes, peer: Peer, loaded: list[Any], held: Callable[[], int]) -> None:
    """Run a test file in a namespace that starts with the names of the solution, then its test functions."""
    tree = ast.parse(source, f"{TESTS}.py")
    module = ModuleType(TESTS)
    names = vars(module)
    names.update(_bind_names(peer, loaded, tree))
    names[_COUNTER] = held
    sys.modules[TESTS] = module
    sys.modules[SOLUTION] = _SolutionModule(peer.handles.mirror_object(loaded[1]))
    _follow_seed(peer)
    exec(_compile(tree, negated=mode == NEGATED), names)  # noqa: S102
    for name, value in list(names.items()):
        if name.startswith("test") and isinstance(value, FunctionType) and _is_test(value):
            value()
    if mode == FAILING:
        raise AssertionError("end of the tests")


def _bind_names(peer: Peer, loaded: list[Any], tree: ast.Module) -> dict[str, Any]:
    """The solution's names, as `from solution import *` would bind them, but for those of built-ins.

    A solution cannot change what `abs` or `sorted` mean to its tests, unless the tests use no other name of
    it: then the built-in's name is that of the tested function.
    """
    if type(loaded[1]) is not int or type(loaded[2]) is not dict:
        raise LostError("the solution sent no names")
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    known = set(dir(builtins))
    other = any(name in used and name not in known for name in loaded[2])
    try:
        return {
            name: peer.handles.resolve_name(code)
            for name, code in loaded[2].items()
            if not name.startswith("__") and not (other and name in known)
        }
    except ForeignValueError as exc:
        raise LostError("the solution sent no names") from exc


def _describe_names(peer: Peer, module: ModuleType) -> dict[str, Any]:
    found = {}
    for name, value in list(vars(module).items()):
        if not name.startswith("__"):
            try:
                found[name] = peer.handles.describe_name(value)
            except (TypeError, AttributeError, RecursionError):
                continue  # it is asked for where the tests name it
    return found


class _SolutionModule(ModuleType):
    """`import solution`: its attributes are read and set in the other process."""

    def __init__(self, there: Any) -> None:
        super().__init__(SOLUTION)
        vars(self)["__there__"] = there

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["__there__"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(vars(self)["__there__"], name, value)

    def __delattr__(self, name: str) -> None:
        delattr(vars(self)["__there__"], name)


class _Relay(io.TextIOBase):
    """Standard output of the solution: what is printed goes along with the next answer."""

    encoding = "utf-8"

    def __init__(self, peer: Peer) -> None:
        self._peer, self._size = peer, 0
        self._parts: list[str] = []
        self._owner = threading.get_ident()
        self.buffer = sys.stdout.buffer

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._parts.append(text)
        self._size += len(text)
        if self._size > _PRINTED_CHARS:
            self.flush()
        return len(text)

    def flush(self) -> None:
        if self._parts and threading.get_ident() == self._owner:
            text, self._parts, self._size = "".join(self._parts), [], 0
            self._peer.send(["o", text])


def _print(text: str) -> None:
    sys.stdout.write(text.encode("utf-8", "replace").decode())


def _follow_seed(peer: Peer) -> None:
    """Let the tests' `random.seed` seed the solution too, as it did in one process."""
    own = random.seed

    def seed(a: Any = None, version: int = 2) -> None:
        own(a, version)
        peer.ask("seed", a)

    random.seed = seed


def _is_test(function: FunctionType) -> bool:
    """Whether the tests define it, and it can be called without arguments."""
    required = function.__code__.co_argcount - len(function.__defaults__ or ())
    return function.__module__ == TESTS and required == 0 and not function.__code__.co_kwonlyargcount


def _compile(tree: ast.Module, *, negated: bool) -> CodeType:
    """The tests with a count after every assert that could fail, turned round where they are negated."""
    counted = ast.fix_missing_locations(_Counted(negated=negated).visit(tree))
    return compile(counted, f"{TESTS}.py", "exec", dont_inherit=True)


class _Counted(ast.NodeTransformer):
    """Counts the asserts that held; `assert True` checks nothing."""

    def __init__(self, *, negated: bool) -> None:
        self._negated = negated

    def visit_Assert(self, node: ast.Assert) -> ast.AST | list[ast.AST]:
        if isinstance(node.test, ast.Constant):
            return node
        if self._negated:
            node.test = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test)
        call = ast.Call(ast.Name(_COUNTER, ast.Load()), [], [])
        return [node, ast.copy_location(ast.Expr(call), node)]


def _describe_failure(exc: BaseException) -> tuple[str, str]:
    """A status and a reason: the exception, and the line of the tests that it left."""
    status = FAILED
    if isinstance(exc, MemoryError):
        status = MEMORY
    elif isinstance(exc, OSError) and exc.errno in _REFUSALS:
        status = BLOCKED
    elif isinstance(exc, OSError) and exc.errno in _SHORTAGES:
        status = SPACE
    try:
        said = str(exc)[:_REASON_CHARS]
    except BaseException:  # noqa: BLE001  (its __str__ is the program's own)
        said = ""
    reason = f"{type(exc).__name__}: {said}" if said else type(exc).__name__
    return status, f"{reason}{_find_line(exc)}".encode("utf-8", "replace").decode()


def _find_line(exc: BaseException) -> str:
    line, step = 0, exc.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == f"{TESTS}.py":
            line = step.tb_lineno
        step = step.tb_next
    return f" (line {line} of the tests)" if line else ""


def _is_own(exc: BaseException) -> bool:
    """Whether it was raised by a line of the tests, and not by what they called."""
    step = exc.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return step is not None and step.tb_frame.f_code.co_filename == f"{TESTS}.py"


def _read_all(file: int) -> bytes:
    parts = []
    while part := os.read(file, 1 << 16):
        parts.append(part)
    os.close(file)
    return b"".join(parts)
