"""JavaScript with something wrong in it, made from a batch's own pairs, and sound pairs of its sorts."""

from collections.abc import Callable
from dataclasses import replace

from synth_stack.rows.code_pairs import JAVASCRIPT, CodePair

MOST_EACH = 5
"""Of a kind of canary: a run of node costs a tenth of a second of CPU time, ten times one of Python."""

_HALVE = "function halve(n) {\n  if (n % 2 !== 0) throw new RangeError('odd');\n  return n / 2;\n}\n"
_HALVE_TESTS = (
    "const assert = require('node:assert');\nassert.strictEqual(halve(8), 4);\n"
    "assert.strictEqual(halve(0), 0);\n"
    "assert.throws(() => halve(3), RangeError);\n"
)


def _return_nothing(pair: CodePair) -> CodePair:
    """A function of our own in the pair's place: nothing here parses JavaScript to change that."""
    return replace(pair, solution="function halve(n) { n / 2; }\n", tests=_HALVE_TESTS, prelude="")


DEFECTS: tuple[tuple[str, Callable[[CodePair], CodePair]], ...] = (
    ("the JavaScript returns nothing", _return_nothing),
    (
        "the JavaScript does not parse",
        lambda pair: replace(pair, solution=f"function solve( {{\n{pair.solution}"),
    ),
    ("the JavaScript has no tests", lambda pair: replace(pair, tests="")),
    (
        "the tests of the JavaScript look at nothing",
        lambda pair: replace(pair, tests="assert.strictEqual('ab'.length, 2);\n"),
    ),
    (
        "the JavaScript leaves before its tests",
        lambda pair: replace(pair, prelude="", solution="console.log('passed');\nprocess.exit(0);\n"),
    ),
)
"""What is wrong, which is the kind of the canary, and how a pair becomes so."""

SOUND = (
    ("JavaScript that throws where its tests ask for it", _HALVE, _HALVE_TESTS),
    (
        "JavaScript that prints beside its result",
        "const countVowels = (text) => {\n  console.log('counting');\n"
        "  return [...text].filter((c) => 'aeiou'.includes(c)).length;\n};\n",
        "console.assert(countVowels('banana') === 3, 'banana');\nconsole.assert(countVowels('') === 0);\n",
    ),
    (
        "JavaScript that is a module with a class",
        "export class Counter {\n  #total = 0;\n  add(n) {\n    this.#total += n;\n"
        "    return this.#total;\n  }\n}\n",
        "import assert from 'node:assert/strict';\nimport { Counter } from './counter.mjs';\n"
        "const c = new Counter();\nassert.equal(c.add(2), 2);\nassert.equal(c.add(3), 5);\n",
    ),
    (
        "JavaScript that answers later",
        "const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));\n"
        "async function double(n) {\n  await wait(1);\n  return n * 2;\n}\nmodule.exports = { double };\n",
        "const assert = require('assert');\nconst { double } = require('./double');\n"
        "(async () => {\n  assert.strictEqual(await double(4), 8);\n"
        "  assert.strictEqual(await double(0), 0);\n})();\n",
    ),
)
"""What is innocent in it, the solution and its tests."""


def build_sound_pair(innocent: str, solution: str, tests: str, draw: int) -> CodePair:
    """A sound pair that no other draw has."""
    return CodePair(innocent, f"// {draw}\n{solution}", tests, language=JAVASCRIPT)
