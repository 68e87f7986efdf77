"""What is read from a teacher's reply: sections, code, signatures, examples as tests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.generators.code.replies import list_signatures, read_code, read_examples, read_problem
from synth_stack.sandbox.run_many import run_many


@pytest.mark.parametrize(
    "reply",
    [
        "[Problem Description]\nAdd.\n\n[Solution]\n```python\nx = 1\n```",
        "**[Problem Description]**: Add.\n**[Solution]**:\n```python\nx = 1\n```\nIt works.",
        "Add.\n[Solution]\n```\nx = 1\n```",
        "Sure!\n[Problem Description]\nAdd.\n[Solution]\nx = 1",
    ],
)
def test_the_two_sections_of_a_reply_are_read(reply: str) -> None:
    assert read_problem(reply) == ("Add.", "x = 1")


@pytest.mark.parametrize(("reply", "lacking"), [("Add. x = 1", "Solution"), ("[Solution]\nx", "Problem")])
def test_a_reply_without_a_section_is_refused(reply: str, lacking: str) -> None:
    with pytest.raises(ValueError, match=lacking):
        read_problem(reply)


def test_code_is_what_is_fenced_or_else_everything() -> None:
    assert read_code("Here:\n```python\na = 1\n```\nand\n```python\nb = 2\n```") == "a = 1\n\nb = 2"
    assert read_code("a = 1\n") == "a = 1"
    assert read_code("") == ""


def test_signatures_say_everything_but_the_bodies() -> None:
    source = "def f(a: int, *, b=2) -> str:\n    return secret\nclass C:\n    def m(self): return 1\nx = 3"
    assert list_signatures(source) == "def f(a: int, *, b=2) -> str: ...\nclass C:\n    def m(self): ..."


@pytest.mark.parametrize(("source", "why"), [("def f(:", "does not parse"), ("x = 1", "no function in it")])
def test_a_solution_that_no_test_could_call_is_refused(source: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        list_signatures(source)


DOCUMENTED = '''def halve(x):
    """Half of x.

    >>> halve(4)
    2.0
    >>> y = halve(1)
    >>> y
    0.5
    >>> for k in range(2):
    ...     y += k
    >>> halve("a")
    Traceback (most recent call last):
        ...
    TypeError: unsupported operand
    >>> print(halve(2))
    1.0
    """
    return x / 2
'''


def test_the_examples_of_a_docstring_become_tests_that_hold_and_can_fail() -> None:
    tests = read_examples(DOCUMENTED)
    assert tests.count("assert") == 3
    wrong = [DOCUMENTED.replace("return x / 2", body) for body in ("return x // 2", "return 0.5", "return x")]
    outcomes = run_many([(source, tests) for source in (DOCUMENTED, *wrong)])
    assert [outcome.status for outcome in outcomes] == ["passed", "failed", "failed", "failed"]
    assert outcomes[0].checks == 3


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    return x",
        'def f(x):\n    """No example."""',
        'def f(x):\n    """\n    >>> f(1)\n    """',
        'def f(x):\n    """\n    >>> f(\n    1\n    """',
        'def f(x):\n    """\n    >>>f(1)\n    1\n    """',
        "def f(:",
        "",
    ],
)
def test_a_docstring_without_an_example_that_says_something_gives_no_tests(source: str) -> None:
    assert read_examples(source) == ""


@given(st.text(max_size=300))
def test_whatever_a_teacher_writes_it_is_read_or_refused(reply: str) -> None:
    code = read_code(reply)
    read_examples(f'def f():\n    """{code}\n    >>> f({code!r})\n    1\n    """')
    for read in (read_problem, list_signatures):
        try:
            read(reply)
        except ValueError:
            continue
