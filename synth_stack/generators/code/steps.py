"""The distilabel steps of code pairs: a function is drawn, an answer is read, a row is written."""

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from distilabel.steps import Step, StepInput
from pydantic import PrivateAttr

from synth_stack.generators.code.languages import JAVASCRIPT_TESTS, TITLES
from synth_stack.generators.code.pool import CodePool, Piece
from synth_stack.generators.code.replies import (
    list_javascript_signatures,
    list_signatures,
    read_code,
    read_examples,
    read_problem,
    read_tests,
)
from synth_stack.generators.steps import Ask, DrawItems, ToCandidates
from synth_stack.generators.template import Template
from synth_stack.rows.canonical import canonical_text, derive_seed
from synth_stack.rows.code_pairs import JAVASCRIPT, OTHER_CODE, PYTHON, SAME_CODE, CodePair, fence

Row = dict[str, Any]

REQUESTS = {
    "function_tests": (
        "Write the body of this function.",
        "Please fill in the body of this function; its docstring says what it does.",
        "This function has a docstring and no body. Write it.",
    ),
    "docstring_rewrite": (
        "Write the docstring of this function again, with at least one >>> example that runs. Change nothing "
        "else.",
        "The docstring of this function is poor. Write a better one with a >>> example or two, and leave the "
        "code alone.",
    ),
    "refactor": (
        "Refactor this function. Whoever calls it must notice nothing.",
        "Please clean this function up without changing what it does.",
        "Write this function again so that it is easier to read; it has to behave as before.",
    ),
}
_TESTED = frozenset({PYTHON, JAVASCRIPT})
"""The languages that the gate can run; where a machine has no node, tests are of use to another that has."""
_RELATIONS = {"docstring_rewrite": SAME_CODE, "refactor": OTHER_CODE}


class DrawSnippets(DrawItems):
    """Yields the items of a plan, each with a piece of a pool; none comes twice before all have come.

    A slice whose name is that of a language is shown pieces of that language, where the pool has some.
    """

    task: str

    _pieces: list[Piece] = PrivateAttr()
    _pool: CodePool = PrivateAttr()

    @cached_property
    def _by_language(self) -> dict[str, list[Piece]]:
        found: dict[str, list[Piece]] = {}
        for piece in self._pieces:
            found.setdefault(piece.language, []).append(piece)
        return found

    @property
    def outputs(self) -> list[str]:
        return [
            *super().outputs,
            "snippet",
            "language",
            "language_title",
            "origin",
            "prelude",
            "reference",
            "instruction",
            "phrasing",
        ]

    def process(self, offset: int = 0) -> Any:
        for batch, is_last in super().process(offset):
            yield [self._with_snippet(item) for item in batch], is_last

    def _with_snippet(self, item: Row) -> Row:
        pieces = self._by_language.get(item["slice"].rpartition("/")[2], self._pieces)
        piece = pieces[item["draw"] % len(pieces)]
        snippet = piece.snippet
        requests = REQUESTS.get(self.task, ("",))
        phrasing = derive_seed(item["rng_seed"], "phrasing") % len(requests)
        shown = snippet.stub if self.task == "function_tests" else snippet.source
        code = fence(f"{snippet.prelude}\n\n{shown}" if snippet.prelude else str(shown))
        runnable = self.task in REQUESTS
        return {
            **item,
            "snippet": snippet.source,
            "language": piece.language,
            "language_title": TITLES[piece.language],
            "origin": describe_origin(self._pool, piece),
            "prelude": snippet.prelude if runnable else "",
            "reference": snippet.source if runnable else None,
            "instruction": f"{requests[phrasing]} {item['seed']}\n\n{code}" if runnable else None,
            "phrasing": phrasing if runnable else None,
        }


class AskCode(Ask):
    """Asks for code; the examples of a text to be continued are Python, and so it is for Python alone."""

    def takes_raw(self, row: Mapping[str, Any]) -> bool:
        return super().takes_raw(row) and row["language"] == PYTHON


class AskTests(Ask):
    """Asks for tests of what can be run, with the template of its language."""

    def is_asked(self, row: Mapping[str, Any]) -> bool:
        return super().is_asked(row) and row["language"] in _TESTED

    def template_of(self, row: Mapping[str, Any]) -> Template:
        if row["language"] == PYTHON:
            return super().template_of(row)
        return self._templates.find(JAVASCRIPT_TESTS)


class ReadSolution(Step):  # type: ignore[misc]  # distilabel has no types
    """Reads the code out of the teacher's reply, and the problem where the teacher wrote that too.

    A reply that holds none fails its row, before anything is spent on tests for it.
    """

    task: str

    @property
    def inputs(self) -> list[str]:
        return ["solution", "instruction"]

    @property
    def outputs(self) -> list[str]:
        return ["instruction", "answer", "signatures", "tests"]

    def process(self, inputs: StepInput) -> Any:
        yield [self._read(row) for row in inputs]

    def _read(self, row: Row) -> Row:
        nothing = {"answer": None, "signatures": None, "tests": None}
        language = row["language"]
        if row.get("failure"):
            return {**row, **nothing}
        code = ""
        try:
            if self.task == "oss_instruct":
                row["instruction"], code = read_problem(row["solution"], language)
            else:
                code = read_code(row["solution"])
            signatures = _describe_code(code, language)
        except ValueError as exc:
            return {
                **row,
                **nothing,
                "answer": fence(code, language) if code else None,
                "failure": f"solution: {exc}",
            }
        tests = read_examples(code) if self.task == "docstring_rewrite" else None
        return {**row, "answer": fence(code, language), "signatures": signatures, "tests": tests}


class ToCodeRows(ToCandidates):
    """Turns finished pairs into candidate rows of kind code, tests and origin in `extra`."""

    def _candidate(self, row: Row) -> Row:
        made = super()._candidate(row)
        pair = CodePair(
            task=self.method,
            solution=row.get("answer") or "",
            tests=read_tests(row.get("tests") or "", row["language"]),
            prelude=row["prelude"],
            reference=row["reference"],
            relation=_RELATIONS.get(self.method),
            language=row["language"],
        )
        extra = {**json.loads(made["extra"]), "code": pair.as_extra(), "origin": row["origin"]}
        params = json.loads(made["params"])
        if row["phrasing"] is not None:
            params["phrasing"] = row["phrasing"]
        return {**made, "kind": "code", "extra": canonical_text(extra), "params": canonical_text(params)}


def _describe_code(code: str, language: str) -> str:
    """The signatures of Python and JavaScript; of another language nothing is known of what it defines.

    Raises ValueError for code that holds nothing to be tested, or nothing at all.
    """
    if language == PYTHON:
        return list_signatures(code)
    if not code.strip():
        raise ValueError(f"no block of {TITLES[language]} in it")
    return list_javascript_signatures(code) if language == JAVASCRIPT else ""


def describe_origin(pool: CodePool, piece: Piece) -> Row:
    """Where a function comes from, as it stands on a row."""
    return {
        "pool": pool.name,
        "pool_sha256": pool.digest,
        "commit": pool.commit,
        "path": piece.path,
        "function": piece.snippet.function,
        "line": piece.snippet.line,
        "sha256": piece.sha256,
        "file_sha256": piece.file_sha256,
        "licence": piece.licence,
        "licence_from": piece.licence_from,
    }
