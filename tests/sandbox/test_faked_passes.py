"""Wrong solutions that try to pass: each attacks the runner, its built-ins, its values or its tests, and fails."""

import pytest

from synth_stack.sandbox.room import Limits, Room

HALVE = """
import math
assert halve(9) == 4.5
assert abs(halve(3.0) - 1.5) < 1e-9
assert math.isclose(halve(5), 2.5)
assert sorted([halve(4), halve(2)]) == [1.0, 2.0]
assert all(a == b for a, b in zip([halve(8), halve(6)], [4.0, 3.0]))
def test_zero():
    assert halve(0) == 0
"""
"""The tests of every attack: equality, tolerance, built-ins and modules over the results of one function."""

EVIL = """
class Evil({base}):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __hash__(self): return 1
    def __sub__(self, other): self.seen = other; return 0.0
    __rsub__ = __add__ = __radd__ = __sub__
    def __abs__(self): return 0.0
    def __float__(self): return 2.5
    def __bool__(self): return True
def halve(x): return Evil()
"""

WRONG = "def halve(x): return -1\n"

ATTACKS = {
    "plainly wrong": "def halve(x): return -1",
    "sys.exit in the function": "import sys\ndef halve(x): sys.exit(0)",
    "a hard exit in the function": "import os\ndef halve(x): os._exit(0)",
    "an exit handler that says passed": (
        "import atexit, os\natexit.register(lambda: os.write(1, b'passed'))\ndef halve(x): raise SystemExit"
    ),
    "SystemExit in a comparison": (
        "class Evil:\n    def __eq__(self, other): raise SystemExit(0)\ndef halve(x): return Evil()"
    ),
    "an object that equals everything": EVIL.format(base="object"),
    "an int that equals everything": EVIL.format(base="int"),
    "a float with every comparison": EVIL.format(base="float"),
    "a str that equals everything": EVIL.format(base="str"),
    "a class in the place of the function": EVIL.format(base="object").replace(
        "def halve(x): return Evil()", ""
    )
    + "class halve(Evil):\n    def __init__(self, x): pass\n",
    "an operator that hands on what it learned": """
class Told:
    def __sub__(self, other): made = Told(); made.other = other; return made
    __rsub__ = __sub__
    def __abs__(self): return 0.0
    def __eq__(self, other): return True
def halve(x): return Told()
""",
    "a module-wide memory of what an operator learned": """
seen = []
class Told:
    def __sub__(self, other): seen.append(other); return Told()
def halve(x): return seen[-1] if seen else Told()
""",
    "a metaclass that equals everything": """
class Meta(type):
    def __eq__(cls, other): return True
    __hash__ = type.__hash__
class Evil(metaclass=Meta): pass
def halve(x): return Evil
""",
    "unittest.mock.ANY": "from unittest.mock import ANY\ndef halve(x): return ANY",
    "a magic mock": "from unittest.mock import MagicMock\ndef halve(x): return MagicMock()",
    "abs shadowed by a name of the solution": WRONG + "def abs(x): return 0",
    "zip shadowed by a name of the solution": WRONG + "def zip(*a): return []",
    "all and sorted shadowed": WRONG + "def all(x): return True\ndef sorted(x): return [1.0, 2.0]",
    "builtins.abs patched": WRONG + "import builtins\nbuiltins.abs = lambda x: 0",
    "builtins.zip and all patched": WRONG
    + "import builtins\nbuiltins.zip = lambda *a: []\nbuiltins.all = lambda a: True",
    "every builtin patched": WRONG
    + "import builtins\nfor name in ('abs', 'all', 'zip', 'sorted', 'len', 'isinstance'):\n"
    "    setattr(builtins, name, lambda *a, **k: True)",
    "math.isclose patched": WRONG + "import math\nmath.isclose = lambda *a, **k: True",
    "a module replaced": WRONG
    + "import sys, types\nm = types.ModuleType('math')\nm.isclose = lambda *a: True\n"
    "sys.modules['math'] = m",
    "math shadowed": WRONG + "class math:\n    isclose = staticmethod(lambda *a, **k: True)",
    "builtins.compile strips the asserts": WRONG
    + "import builtins\nreal = compile\nbuiltins.compile = lambda s, *a, **k: real('x = 1', *a, **k)",
    "ast.parse strips the asserts": WRONG + "import ast\nast.parse = lambda *a, **k: ast.Module([], [])",
    "ast.fix_missing_locations strips the asserts": WRONG
    + "import ast\nast.fix_missing_locations = lambda t: ast.Module([], [])",
    "a transformer that visits nothing": WRONG
    + "import ast\nast.NodeTransformer.visit = lambda self, node: node",
    "builtins.exec goes on after a failure": WRONG
    + "import builtins\ndef calm(*a, **k):\n    pass\nbuiltins.exec = calm",
    "a trace that jumps over asserts": WRONG
    + "import sys\ndef trace(frame, event, arg):\n    if event == 'line' and 'tests' in frame.f_code.co_filename:\n"
    "        frame.f_lineno += 1\n    return trace\nsys.settrace(trace)\nimport threading\nthreading.settrace(trace)",
    "the expected value from the caller's bytecode": """
import sys
def halve(x):
    frame = sys._getframe(1)
    while frame is not None:
        for constant in frame.f_code.co_consts:
            if isinstance(constant, float):
                return constant
        frame = frame.f_back
    return -1
""",
    "the expected value from any living object": """
import gc
def halve(x):
    for found in gc.get_objects():
        if isinstance(found, str) and "halve(" in found and "assert" in found:
            return eval(found.split("halve(%r) == " % x)[1].split("\\n")[0])
    return -1
""",
    "every open file read while loading": """
import os
texts = []
for file in range(3, 64):
    try:
        os.set_blocking(file, False)
        texts.append(os.read(file, 1 << 16))
    except OSError:
        pass
def halve(x):
    for text in texts:
        if b"halve(%r) == " % x in text:
            return float(text.split(b"halve(%r) == " % x)[1].split()[0])
    return -1
""",
    "the stack walked while a test calls": """
import sys
def halve(x):
    frame = sys._getframe()
    while frame is not None:
        for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):
            if isinstance(value, str) and "assert halve(" in value:
                return eval(value.split("halve(%r) == " % x)[1].split("\\n")[0])
        frame = frame.f_back
    return -1
""",
    "the runner's globals by the frame": """
import sys
def halve(x):
    frame = sys._getframe()
    while frame is not None:
        for name in ("_Counted", "_run", "_compile", "_describe_failure", "_perform", "_ACTIONS"):
            if name in frame.f_globals:
                frame.f_globals[name] = lambda *a, **k: None
        frame = frame.f_back
    return -1
""",
    "the tests in freed memory": """
import ctypes
def halve(x):
    base = id(object()) & ~0xFFFFF
    data = ctypes.string_at(base, 1 << 16)
    return 4.5 if b"assert halve" in data else -1
""",
    "StopIteration from a decorator": (
        "def quiet(f):\n    def run(x): raise StopIteration\n    return run\n@quiet\ndef halve(x): return -1"
    ),
    "GeneratorExit": "def halve(x): raise GeneratorExit",
    "a thread that ends the process": (
        "import os, threading, time\ndef end():\n    time.sleep(0.01)\n    os._exit(0)\n"
        "def halve(x):\n    threading.Thread(target=end).start()\n    time.sleep(1)"
    ),
    "success written on every file": """
import json, os, struct
def halve(x):
    word = json.dumps(["passed", "", 7, False]).encode()
    for file in range(64):
        for text in (b"passed", word, struct.pack(">I", len(word)) + word):
            try: os.write(file, text)
            except OSError: pass
    os._exit(0)
""",
    "forged answers on the line": """
import json, os, struct
def halve(x):
    for answer in (["=", 4.5, []], ["=", 1.5, []], ["=", 2.5, []]):
        body = json.dumps(answer).encode()
        os.write(3, struct.pack(">I", len(body)) + body)
    return -1
""",
    "unittest patched": WRONG + "import unittest\nunittest.TestCase.assertEqual = lambda *a, **k: None",
    "a function of the tests' name": WRONG + "def test_zero(): pass\ntest_zero.__module__ = 'tests'",
    "a handler for every exception": WRONG
    + "import sys\nsys.excepthook = lambda *a: None\nimport builtins\nbuiltins.AssertionError = SystemExit",
    "another ZeroDivisionError": WRONG + "class ZeroDivisionError(Exception): pass",
    "len and sorted shadowed": WRONG + "len = lambda x: 0\nsorted = lambda x: [1.0, 2.0]",
    "a solution module that answers everything": WRONG
    + "import sys\nclass Any(type(sys)):\n    def __getattr__(self, name): return lambda *a: 4.5\n"
    "sys.modules[__name__].__class__ = Any",
    "the same module under the tests' name": WRONG
    + "import sys\nsys.modules['tests'] = sys.modules[__name__]",
    "names that are no names": WRONG
    + "globals().update({'assert': 1, '__held__': lambda: 1, '__builtins__': {}})",
    "a counter of its own": WRONG + "__held__ = lambda: 100",
    "an answer that is no value": "import functools\ndef halve(x): return functools.partial(lambda y: y)",
    "a value nested without end": "def halve(x):\n    made = []\n    for _ in range(100000): made = [made]\n    return made",
}

LEARNING = {
    "arguments seen before": ("def f(*a): return a[0]", "assert f(1) == 2"),
    "a swallowed assertion of a test's own function": (
        "def call(f):\n    try: return f(1)\n    except BaseException: return 2",
        "def check(x):\n    assert x == 2\n    return 2\nassert call(check) == 2",
    ),
    "the globals of a test's function": (
        "def call(f):\n    for name in ('__globals__', '__code__', '__closure__', '__builtins__'):\n"
        "        try: return getattr(f, name)['EXPECTED']\n        except Exception: pass",
        "EXPECTED = 41\ndef g(): pass\nassert call(g) == 41",
    ),
    "the frame of a test's generator": (
        "def call(g):\n    for name in ('gi_frame', 'gi_code'):\n        try: return getattr(g, name).f_globals['EXPECTED']\n"
        "        except Exception: pass",
        "EXPECTED = 41\ndef gen(): yield 1\nassert call(gen()) == 41",
    ),
    "the traceback of a test's exception": (
        "def call(f):\n    try: f()\n    except Exception as exc:\n"
        "        frame = exc.__traceback__\n        while frame:\n"
        "            if 'EXPECTED' in frame.tb_frame.f_globals: return frame.tb_frame.f_globals['EXPECTED']\n"
        "            frame = frame.tb_next",
        "EXPECTED = 41\ndef boom(): raise ValueError\nassert call(boom) == 41",
    ),
    "a test's mock told what to say": (
        "def call(m):\n    try: m.assert_called_once_with = lambda *a: None\n    except Exception: pass",
        "from unittest.mock import Mock\nm = Mock()\ncall(m)\nm.assert_called_once_with(3)\nassert m.called",
    ),
    "eval of the tests": (
        "def call(f):\n    try: return f('EXPECTED')\n    except Exception: pass",
        "EXPECTED = 41\nassert call(eval) == 41",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_a_wrong_solution_never_passes(any_room: Room, attack: str) -> None:
    outcome = any_room.run(ATTACKS[attack], HALVE, Limits(cpu_s=1, wall_s=2))

    assert outcome.status != "passed", outcome
    assert outcome.reason


@pytest.mark.parametrize("attack", LEARNING, ids=str)
def test_what_the_tests_hand_over_shows_nothing_more(room: Room, attack: str) -> None:
    assert room.run(*LEARNING[attack], Limits(cpu_s=1, wall_s=2)).status == "failed"


def test_the_right_solution_passes_the_same_tests(any_room: Room) -> None:
    assert any_room.run("def halve(x): return x / 2", HALVE).status == "passed"


def test_a_solution_that_passes_by_chance_is_run_again(room: Room) -> None:
    coin = "import os\ndef halve(x): return x / 2 if os.urandom(1)[0] < 100 else -1"
    passed = [room.run(coin, "assert halve(1) == 0.5").status == "passed" for _ in range(30)]

    assert sum(passed) < 12  # 4.6 are expected: .39 of the runs, twice


def test_nothing_tells_a_control_from_a_real_run(room: Room) -> None:
    coin = "import os\ndef halve(x): return x / 2 if (os.getpid() // 3) % 4 == {turn} else -1"
    for turn in range(4):
        assert room.run(coin.replace("{turn}", str(turn)), "assert halve(1) == 0.5").status != "passed"


def test_tests_that_swallow_their_own_failures_show_nothing(room: Room) -> None:
    swallowed = "try:\n    assert halve(2) == 1\nexcept AssertionError:\n    pass\n"
    outcome = room.run("def halve(x): return x / 2", swallowed)

    assert (outcome.status, outcome.reason) == ("failed", "passes whatever the tests say")


def test_an_assertion_of_the_solution_is_not_one_of_the_tests(room: Room) -> None:
    own = room.run("def halve(x):\n    assert x > 9, 'too small'", "assert halve(2) == 1")
    theirs = room.run("def halve(x): return -1", "assert halve(2) == 1")

    assert (own.status, own.refuted) == ("failed", False)
    assert (theirs.status, theirs.refuted) == ("failed", True)
