"""Languages of code: how their files end, how fences name them, and what they are called in a prompt."""

from collections.abc import Mapping
from typing import Literal, get_args

LanguageName = Literal[
    "python",
    "javascript",
    "typescript",
    "java",
    "c",
    "cpp",
    "csharp",
    "go",
    "rust",
    "ruby",
    "php",
    "swift",
    "kotlin",
    "shell",
]

SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "python": (".py",),
    "javascript": (".js", ".mjs", ".cjs", ".jsx"),
    "typescript": (".ts", ".tsx"),
    "java": (".java",),
    "c": (".c", ".h"),
    "cpp": (".cc", ".cpp", ".cxx", ".hpp", ".hh"),
    "csharp": (".cs",),
    "go": (".go",),
    "rust": (".rs",),
    "ruby": (".rb",),
    "php": (".php",),
    "swift": (".swift",),
    "kotlin": (".kt", ".kts"),
    "shell": (".sh", ".bash"),
}
"""As the files of each end (GitHub's Linguist, languages.yml)."""

TITLES: Mapping[str, str] = {
    **{name: name.title() for name in get_args(LanguageName)},
    "python": "Python 3",
    "javascript": "JavaScript",
    "typescript": "TypeScript",
    "cpp": "C++",
    "csharp": "C#",
    "php": "PHP",
    "shell": "Bash",
}

_ALIASES = {
    "python": "py python3",
    "javascript": "js jsx mjs node",
    "typescript": "ts tsx",
    "cpp": "c++ cc",
    "csharp": "c# cs",
    "go": "golang",
    "rust": "rs",
    "ruby": "rb",
    "kotlin": "kt",
    "shell": "sh bash",
}
INFOS: Mapping[str, frozenset[str]] = {
    name: frozenset({"", name, *_ALIASES.get(name, "").split()}) for name in get_args(LanguageName)
}
"""The words after a fence that mean a language; one that says nothing may be any."""


JAVASCRIPT_TESTS = "code_tests_javascript"
"""The template that asks for tests in JavaScript, where others ask for Python."""


def find_language(name: str) -> str | None:
    """The language of a file by how its name ends, or None."""
    return next((language for language, ends in SUFFIXES.items() if name.endswith(ends)), None)
