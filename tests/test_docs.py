"""The documentation: commands parse, links lead somewhere, examples run, parameters and defaults are real."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
import typer
from pydantic import BaseModel

import synth_stack.gates
import synth_stack.generators
import synth_stack.teachers  # noqa: F401  (all three register by being imported)
from synth_stack.cli.main import app
from synth_stack.inputs.recipe import Recipe
from synth_stack.registry import Role, registered

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
GUIDES = sorted((ROOT / "docs" / "guide").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS, *GUIDES]
FENCE = re.compile(r"^(`{3,})([^\n]*)\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)
HOMES: dict[Role, tuple[str, ...]] = {
    "gate": (
        "gates.md",
        "grounding.md",
        "on_topic.md",
        "drift.md",
        "diversity.md",
        "engines_nemo.md",
        "imagery.md",
    ),
    "teacher": ("teachers.md", "imagery.md"),
    "generator": (
        "instruction_pairs.md",
        "code_pairs.md",
        "dialogues.md",
        "adversarial.md",
        "preference.md",
        "grounded_pairs.md",
        "generation.md",
        "imagery.md",
    ),
}
FOLDERS = re.compile(r"(?<![\w.~}-])/(?:home|root|tmp|mnt|opt|var|Users)/")
EXAMPLE_TIMEOUT_S = 300


def name_page(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def read_fenced_commands(text: str) -> Iterator[list[str]]:
    """The words of every synth-stack command in the code blocks of a page: all lines of a script, and what
    stands behind the prompt of a session.
    """
    for _, info, block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            command = line.removeprefix("$ ")
            if command.startswith("synth-stack ") and (command != line or info == "sh"):
                yield shlex.split(command, comments=True)[1:]


def read_inline_commands(text: str) -> Iterator[list[str]]:
    """The words of every synth-stack command in running text; they may leave arguments out."""
    for code in re.findall(r"`(synth-stack [^`]+)`", FENCE.sub("", text)):
        yield shlex.split(code)[1:]


def read_section(text: str, title: str) -> str:
    """What stands under a heading, its sub-sections included."""
    found = re.search(rf"^(#+) {re.escape(title)}$", text, re.MULTILINE)
    assert found, f"there is no section {title!r}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", FENCE.sub(lambda m: " " * len(m[0]), rest), re.MULTILINE)
    return rest[: end.start()] if end else rest


def read_code(text: str) -> set[str]:
    """The words of everything on a page that is set as code."""
    blocks = [block for _, _, block in FENCE.findall(text)]
    return set(re.findall(r"\w+", " ".join([*blocks, *re.findall(r"`([^`]+)`", FENCE.sub("", text))])))


def list_anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation speaks of: `Model`, `list[Model]`, `Model | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {list, Union, UnionType, Annotated}:
        for argument in get_args(annotation):
            yield from models_in(argument)


def fields_of(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """(name, default) of every field of a model and of the models in it."""
    for name, field in model.model_fields.items():
        yield name, field.default
        for inner in models_in(field.annotation):
            yield from fields_of(inner)


def entries() -> list[tuple[Role, str]]:
    """What the package itself registers; other tests register more."""
    return [
        (role, name)
        for role in HOMES
        for name, entry in registered(role).items()
        if entry.factory.__module__.startswith("synth_stack.")
    ]


def read_examples() -> list[tuple[str, list[tuple[str, str]]]]:
    """(title, blocks) of every section of extending.md that has a session; a block is its info and its text."""
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    titles = re.findall(r"^## (.+)$", FENCE.sub("", text), re.MULTILINE)
    sections = [(title, FENCE.findall(read_section(text, title))) for title in titles]
    return [
        (title, [(info, block) for _, info, block in blocks])
        for title, blocks in sections
        if any(info == "console" for _, info, _ in blocks)
    ]


def find_command(group: Any, words: list[str]) -> tuple[Any, list[str]]:
    """The command that the first words name, in a group of its own where there is one, and the other words."""
    while hasattr(group, "commands") and words and not words[0].startswith("-"):
        assert words[0] in group.commands, words
        group, words = group.commands[words[0]], words[1:]
    return group, words


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_command_in_a_code_block_parses(page: Path) -> None:
    group: Any = typer.main.get_command(app)
    for words in read_fenced_commands(page.read_text(encoding="utf-8")):
        command, arguments = find_command(group, words)
        command.make_context(words[0], arguments)  # raises for a line that the real one would refuse


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_command_in_running_text_has_its_options(page: Path) -> None:
    group: Any = typer.main.get_command(app)
    for name, *arguments in read_inline_commands(page.read_text(encoding="utf-8")):
        if name.startswith("-"):
            assert name == "--help"
            continue
        command, options = find_command(group, [name, *arguments])
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert not [word for word in options if word.startswith("-") and word not in known], options


def test_the_commands_are_really_found() -> None:
    fenced = [words for page in PAGES for words in read_fenced_commands(page.read_text(encoding="utf-8"))]
    assert len(fenced) >= 20
    assert {words[0] for words in fenced} >= {
        "run",
        "preview",
        "generate",
        "curate",
        "pack",
        "verify",
        "report",
    }


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text(encoding="utf-8"))):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert file.is_relative_to(ROOT), target
        if anchor:
            assert anchor in list_anchors(file.read_text(encoding="utf-8")), target


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [page.name for page in DOCS if f"(docs/{page.name})" not in readme]


@pytest.mark.parametrize(("role", "name"), entries())
def test_every_parameter_is_documented_with_its_default(role: Role, name: str) -> None:
    pages = [(ROOT / "docs" / page).read_text(encoding="utf-8") for page in HOMES[role]]
    [page] = [page for page in pages if re.search(rf"^#+ {re.escape(name)}$", page, re.MULTILINE)]
    section = read_section(page, name)
    params = registered(role)[name].params
    named = read_code(section)
    for parameter, default in fields_of(params):
        assert parameter in named
        row = re.search(rf"^\| `{parameter}` \|[^|]+\|([^|]+)\|", section, re.MULTILINE)
        own = params.model_fields.get(parameter)
        if row and isinstance(default, str | int | float) and (own is None or own.default is default):
            shown = f"{default:g}" if isinstance(default, float) else str(default)
            shown = shown.lower() if isinstance(default, bool) else shown
            told = [row[1].strip(" `"), *re.findall(r"[^\s`\[\]]+", row[1])]
            assert shown in told, f"{parameter} = {shown}"


def test_every_key_of_a_recipe_is_documented() -> None:
    named = read_code(read_section((ROOT / "docs" / "recipe.md").read_text(encoding="utf-8"), "Every key"))
    assert not [name for name, _ in fields_of(Recipe) if name not in named]


def test_every_benchmark_is_named_where_its_figures_stand() -> None:
    texts = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    scripts = [path.name for path in sorted((ROOT / "benchmarks").iterdir()) if path.is_file()]
    assert scripts
    assert not [name for name in scripts if f"benchmarks/{name}" not in texts]


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "notebooks").glob("*.ipynb"))], ids=name_page)
def test_no_page_names_a_folder_of_somebodys_machine_or_is_unfinished(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not FOLDERS.search(text)
    assert str(ROOT.parent) + "/" not in text or ROOT.parent == Path("/")
    assert "@@" not in text


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=name_page)
def test_no_page_has_a_mark_of_a_merge(page: Path) -> None:
    assert not re.findall(r"(?m)^(?:<{7}|={7}|>{7})(?: |$)", page.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize(("title", "blocks"), read_examples(), ids=[title for title, _ in read_examples()])
def test_the_files_of_a_section_and_its_commands_give_what_the_page_says(
    title: str, blocks: list[tuple[str, str]], tmp_path: Path
) -> None:
    for info, block in blocks:
        _, _, name = info.partition(" ")
        if name:
            (tmp_path / name).write_text(block, encoding="utf-8")
        if info == "console":
            command, _, expected = block.partition("\n")
            done = run_command(shlex.split(command.removeprefix("$ synth-stack ")), tmp_path)
            assert done.returncode == 0, f"{title}: {done.stderr}"
            shown = ".*".join(re.escape(part) for part in expected.split("...\n"))
            assert re.fullmatch(shown, done.stdout, re.DOTALL), done.stdout


def run_command(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """The command line with these words, run in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "synth_stack.cli.main", *words],
        cwd=folder,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "SYNTH_STACK_KEY": str(folder / "key.pem")},
        capture_output=True,
        text=True,
        timeout=EXAMPLE_TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (info.removeprefix("python "), block)
        for _, blocks in read_examples()
        for info, block in blocks
        if info.startswith("python ")
    ],
    ids=lambda value: value if value.endswith(".py") else "",
)
def test_the_python_of_an_example_keeps_the_style_of_the_package(
    name: str, text: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    config = ["--config", str(ROOT / "pyproject.toml")]
    for words in (["check", *config, "--ignore", "A002"], ["format", "--diff", *config]):
        ruff = [sys.executable, "-m", "ruff", *words, str(tmp_path / name)]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
