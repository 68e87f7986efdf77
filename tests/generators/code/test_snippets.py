"""Functions of a source: which can be shown, which can be run alone, and with what before them."""

import textwrap

import pytest

from synth_stack.generators.code.snippets import Snippet, find_snippets
from synth_stack.sandbox.run_many import run_many

MODULE = '''
import math
import os
from itertools import chain as join
from .mine import thing

LIMIT = 10
TABLE = {k: LIMIT for k in "ab"}
DEBUG = os.environ

def helper(x):
    return min(x, LIMIT)

def clamp(x):
    """Keep x below the limit."""
    y = helper(x)
    return math.floor(y) + TABLE["a"]

def flatten(lists):
    found = list(join(*lists))
    found.sort()
    return found

def read(path):
    with open(path) as file:
        found = file.read()
    return found

def environment(name):
    found = DEBUG
    found = found[name]
    return found

def foreign(x):
    y = thing(x)
    z = y
    return z

def silent(x):
    y = x
    z = y
    print(z)

@decorated
def wrapped(x):
    y = x
    z = y
    return z

async def later(x):
    y = x
    return y

def test_it(x):
    y = x
    z = y
    return z

class Box:
    def open_it(self, key):
        """Open it."""
        self.key = key
        return self.key

    def __init__(self):
        self.key = None
        self.name = ""
        self.size = 0
'''


def find(source: str, *, min_lines: int = 4, max_lines: int = 40) -> dict[str, Snippet]:
    found = find_snippets(textwrap.dedent(source), min_lines=min_lines, max_lines=max_lines)
    return {snippet.function: snippet for snippet in found}


def test_functions_and_methods_are_found_but_no_tests_and_no_dunder_methods() -> None:
    assert set(find(MODULE)) == {
        "clamp",
        "flatten",
        "read",
        "environment",
        "foreign",
        "silent",
        "wrapped",
        "open_it",
    }


def test_the_prelude_holds_what_the_function_needs_and_nothing_else() -> None:
    found = find(MODULE)
    assert found["flatten"].prelude == "from itertools import chain as join"
    prelude = found["clamp"].prelude or ""
    assert prelude.split("\n")[0] == "import math"
    assert all(word in prelude for word in ("LIMIT = 10", "TABLE = ", "def helper(x):"))
    assert "os" not in prelude.split()


@pytest.mark.parametrize("name", ["read", "environment", "foreign", "silent", "wrapped", "open_it"])
def test_what_reaches_out_or_cannot_be_tested_cannot_be_run_alone(name: str) -> None:
    assert find(MODULE)[name].prelude is None


def test_what_can_be_run_alone_really_runs() -> None:
    found = find(MODULE)
    checks = {"clamp": "assert clamp(99) == 20", "flatten": "assert flatten([[2], [1]]) == [1, 2]"}
    pairs = [(f"{found[name].prelude}\n{found[name].source}", check) for name, check in checks.items()]
    assert [outcome.status for outcome in run_many(pairs)] == ["passed", "passed"]


def test_a_default_that_is_called_like_its_parameter_is_read_outside() -> None:
    source = """
    import math

    def spread(x, math=math):
        y = math.floor(x)
        z = y + 1
        return z

    def shut(x, y=seen):
        z = x
        z += y
        return z
    """
    found = find(source)
    assert found["spread"].prelude == "import math"
    assert found["shut"].prelude is None


@pytest.mark.parametrize("first", ["SEP = ['a']", "if DEBUG:\n    SEP = ['a']"])
def test_a_name_that_is_bound_twice_is_nothing_to_rely_on(first: str) -> None:
    source = f"{first}\nSEP = ''.join(SEP)\n\ndef f(x):\n    y = x\n    z = y + SEP\n    return z\n"
    assert find(source)["f"].prelude is None


def test_a_stub_is_the_signature_with_the_docstring() -> None:
    assert find(MODULE)["clamp"].stub == 'def clamp(x):\n    """Keep x below the limit."""'
    assert find(MODULE)["flatten"].stub is None


def test_the_source_of_a_method_stands_at_the_left_margin() -> None:
    assert find(MODULE)["open_it"].source.startswith('def open_it(self, key):\n    """Open it."""')


def test_the_number_of_lines_is_bounded_at_both_ends() -> None:
    source = "def f(x):\n    y = x\n    z = y\n    return z\n"
    assert set(find(source, min_lines=4, max_lines=4)) == {"f"}
    assert not find(source, min_lines=5)
    assert not find(source, min_lines=2, max_lines=3)


def test_a_line_number_leads_to_the_function() -> None:
    lines = MODULE.split("\n")
    assert all(f"def {s.function}(" in lines[s.line - 1] for s in find(MODULE).values())


@pytest.mark.parametrize("source", ["def f(:", "\0", "x = " + "-" * 90_000 + "1"])
def test_what_does_not_parse_is_said_so(source: str) -> None:
    with pytest.raises(SyntaxError):
        find(source)
