"""Eval items in other words and other names, by rule: what the gate plants to see whether it finds them."""

import ast
import builtins
import re
from collections.abc import Callable

_OTHER_WORDS = {
    "altogether": "in all",
    "because": "since",
    "begin": "start",
    "big": "large",
    "bought": "purchased",
    "buys": "purchases",
    "calculate": "work out",
    "check": "test",
    "children": "kids",
    "contains": "holds",
    "describes": "characterises",
    "every day": "daily",
    "find": "determine",
    "friends": "pals",
    "function": "routine",
    "gave": "handed",
    "given": "supplied",
    "gives": "hands",
    "half": "one half of",
    "house": "home",
    "how many": "what number of",
    "how much": "what amount of",
    "large": "big",
    "list": "sequence",
    "made": "produced",
    "makes": "produces",
    "needs": "requires",
    "only": "solely",
    "return": "give back",
    "sells": "offers",
    "small": "little",
    "sold": "disposed of",
    "string": "text",
    "twice": "two times",
    "wants": "would like",
    "which of the following": "which one of these",
    "write": "create",
}
_OTHER = re.compile(
    r"\b(" + "|".join(sorted(_OTHER_WORDS, key=lambda word: (-len(word), word))) + r")\b", re.IGNORECASE
)
_SENTENCES = re.compile(r"(?<=[.!?]) +")

_RUN_WORDS = 8  # left standing in a row by a rule that is for the other stages to see through
_FILLER = "indeed"


def say_otherwise(text: str) -> str:
    """The last sentence first, other words where the table has some, and a filler that breaks long runs."""
    words = " ".join(_turn_round(text)).split()
    runs = [" ".join(words[k : k + _RUN_WORDS]) for k in range(0, len(words), _RUN_WORDS)]
    return f" {_FILLER} ".join(runs)


def say_in_note_form(text: str, tells: Callable[[str], bool]) -> str:
    """The same without the words that do not `tell` anything, as in a note: a distant rewording."""
    kept = [[word for word in sentence.split() if tells(word)] for sentence in _turn_round(text)]
    runs = [words[k : k + _RUN_WORDS] for words in kept for k in range(0, len(words), _RUN_WORDS)]
    return "; ".join(" ".join(run) for run in runs) + "."


def rename_program(code: str, *, keep: str | None = None) -> str | None:
    """A Python program with other names and no docstring, the name `keep` left; None for what is none."""
    try:
        tree = ast.parse(code)
        return ast.unparse(_Renamer(tree, keep).visit(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def read_task(code: str, name: str) -> str | None:
    """What the docstring of a function asks, without examples; None where there is none."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    functions = (f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == name)
    noted = next((ast.get_docstring(f) for f in functions), None) or ""
    return " ".join(noted.partition(">>>")[0].split()) or None


def _turn_round(text: str) -> list[str]:
    sentences = _SENTENCES.split(_OTHER.sub(lambda match: _OTHER_WORDS[match[0].lower()], text))
    return [sentences[-1], *sentences[:-1]]


class _Renamer(ast.NodeTransformer):
    """Every function, argument and variable that the program defines gets another name; docstrings go."""

    def __init__(self, tree: ast.Module, keep: str | None) -> None:
        defined = [n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        defined += [n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)]
        defined += [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        names = dict.fromkeys(n for n in defined if not hasattr(builtins, n) and n != keep)
        self.names = {name: f"{name[0]}{k}_" for k, name in enumerate(names)}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.name = self.names.get(node.name, node.name)
        if ast.get_docstring(node) is not None and len(node.body) > 1:
            node.body = node.body[1:]
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg = self.names.get(node.arg, node.arg)
        self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:
        if node.arg in self.names:
            node.arg = self.names[node.arg]
        self.generic_visit(node)
        return node
