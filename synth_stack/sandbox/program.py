"""What a child does: load the solution, fetch the tests, run them to their end, and say so.

Everything here shares its interpreter with an untrusted program. So names that are used after the
solution was loaded are bound before it, nothing is imported or called through a module afterwards, and the
tests come with a token that has to be sent back. A program that is written against this very file can still
find the token while a test calls it: docs/sandbox.md says what that means.
"""

import ast
import errno
import itertools
import os
import random
import sys
from collections.abc import Callable
from types import CodeType, FunctionType, ModuleType
from typing import Any

SOLUTION, TESTS = "solution", "tests"
PASSED, FAILED, MEMORY, BLOCKED, SPACE = "passed", "failed", "memory", "blocked", "space"
TOKEN_BYTES = 16

_COUNTER = "__held__"
_REASON_CHARS = 300
_SPARE_BYTES = 1 << 20
_REFUSALS = (errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOSYS)
_SHORTAGES = (errno.EFBIG, errno.ENOSPC, errno.EDQUOT, errno.EMFILE)


def perform(solution: str, fetch: int, answer: int) -> None:
    """Run the solution, then the tests that are read from the file `fetch`, and end this process.

    Writes to the file `answer`: the token and how many checks held when the tests came to their end, else a
    status and a reason. Random numbers start from one seed.
    """
    write, leave, read_all, report = os.write, os._exit, _read_all, _describe_failure
    run, count = _run_tests, itertools.count()
    random.seed(0)
    spare = bytearray(_SPARE_BYTES)  # memory to say with that there is no memory
    try:
        module = ModuleType(SOLUTION)
        sys.modules[SOLUTION] = module
        exec(compile(solution, f"{SOLUTION}.py", "exec", dont_inherit=True), vars(module))  # noqa: S102
        sent = read_all(fetch)
        run(sent[TOKEN_BYTES:].decode("utf-8", "surrogatepass"), vars(module), count.__next__)
        write(answer, b"%s%d" % (sent[:TOKEN_BYTES], next(count)))
    except BaseException as exc:  # noqa: BLE001  (SystemExit and KeyboardInterrupt are ends like any other)
        del spare
        write(answer, report(exc))
    finally:
        leave(0)


def _run_tests(source: str, given: dict[str, Any], held: Callable[[], int]) -> None:
    """Run a test file in a namespace that starts with the names of the solution, then its test functions."""
    module = ModuleType(TESTS)
    sys.modules[TESTS] = module
    names = vars(module)
    names.update({name: value for name, value in given.items() if not name.startswith("__")})
    names[_COUNTER] = held
    exec(_compile_counted(source), names)  # noqa: S102
    for name, value in list(names.items()):
        if name.startswith("test") and isinstance(value, FunctionType) and _is_test(value):
            value()


def _is_test(function: FunctionType) -> bool:
    """Whether the tests define it, and it can be called without arguments."""
    required = function.__code__.co_argcount - len(function.__defaults__ or ())
    return function.__module__ == TESTS and required == 0 and not function.__code__.co_kwonlyargcount


def _compile_counted(source: str) -> CodeType:
    """The tests with a count after every assert that could fail."""
    tree = ast.parse(source, f"{TESTS}.py")
    return compile(
        ast.fix_missing_locations(_Counted().visit(tree)), f"{TESTS}.py", "exec", dont_inherit=True
    )


class _Counted(ast.NodeTransformer):
    """Counts the asserts that held; `assert True` checks nothing."""

    def visit_Assert(self, node: ast.Assert) -> ast.AST | list[ast.AST]:
        if isinstance(node.test, ast.Constant):
            return node
        call = ast.Call(ast.Name(_COUNTER, ast.Load()), [], [])
        return [node, ast.copy_location(ast.Expr(call), node)]


def _describe_failure(exc: BaseException) -> bytes:
    """A status and a reason, parted by a line break: the exception, and the line of the tests it left."""
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
    return f"{status}\n{reason}{_find_line(exc)}".encode("utf-8", "replace")


def _find_line(exc: BaseException) -> str:
    line, step = 0, exc.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == f"{TESTS}.py":
            line = step.tb_lineno
        step = step.tb_next
    return f" (line {line} of the tests)" if line else ""


def _read_all(file: int) -> bytes:
    parts = []
    while part := os.read(file, 1 << 16):
        parts.append(part)
    os.close(file)
    return b"".join(parts)
