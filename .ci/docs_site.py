"""What mkdocs asks while it builds the site: pages made from the package, and links that lead out of docs/.

README.md is the first page. The API reference is made of the public names and their docstrings, the page of
errors of every `raise` in the package, both as they stand when the site is built.
"""

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))

from error_page import write_errors

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "synth_stack"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXECUTED = ROOT / "build" / "notebooks"
"""Where `make test-notebooks` leaves the notebooks with their outputs; `make docs` executes them before."""
MAX_OUTPUT_LINES = 60
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")


_NAMED_FENCE = re.compile(r"^```([a-z]+) ([\w./-]+)$", re.MULTILINE)
"""A block that is a file of that name, as tests write it; the site knows the name as a title alone, and takes
what it does not know for a paragraph."""


def on_files(files: Any, *, config: Any) -> Any:
    """The files of docs/ and the generated pages."""
    for name, text in {
        "index.md": read_first_page(),
        "guide/api.md": write_api(),
        "guide/errors.md": write_errors(PACKAGE),
        **{f"guide/notebooks/{path.stem}.md": show_notebook(path) for path in NOTEBOOKS},
    }.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """The page without links to files that are not on the site; their names stay."""
    folder = Path(page.file.src_uri).parent

    def keep(match: re.Match[str]) -> str:
        words, target = match.groups()
        path = target.partition("#")[0]
        if not path or "://" in path:
            return match[0]
        parts: list[str] = []
        for part in (folder / path).parts:
            if part == ".." and parts:
                parts.pop()
            elif part != ".":
                parts.append(part)
        return match[0] if files.get_file_from_path("/".join(parts)) else words

    return _NAMED_FENCE.sub(r'```\1 title="\2"', _LINK.sub(keep, markdown))


def on_page_content(html: str, *, page: Any, config: Any, files: Any) -> str:
    """The page as it is. Raises PluginError where a block of code was not read as one."""
    if re.search(r"<(?:p|code)>(?:<span></span>)?```", html):
        raise PluginError(f"{page.file.src_uri} has a block of code that the site does not read as one")
    return html


def read_first_page() -> str:
    """README.md with its links as the site has them."""
    return (ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")


def show_notebook(path: Path) -> str:
    """A notebook as a page: its text, its code and what that printed."""
    executed = EXECUTED / path.name
    notebook = json.loads((executed if executed.exists() else path).read_text(encoding="utf-8"))
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"````python\n{source}\n````")
        said = "".join(
            "".join(output.get("text") or output.get("data", {}).get("text/plain", ""))
            for output in cell["outputs"]
            if output.get("name") != "stderr"
        )
        if said.strip():
            lines = _COLOURS.sub("", said).rstrip().splitlines()
            more = ["…"] if len(lines) > MAX_OUTPUT_LINES else []
            parts.append("````text\n" + "\n".join(lines[:MAX_OUTPUT_LINES] + more) + "\n````")
    return "\n\n".join(parts) + "\n"


def write_api() -> str:
    """The reference of every public function, by the module that defines it."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    homes = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES"
    )
    parts = [
        "# API reference",
        "What `import synth_stack` offers, from the docstrings. It imports what a call needs.",
    ]
    parts += [
        f"## synth_stack.{name}\n\n::: {module}.{attribute}" for name, (module, attribute) in homes.items()
    ]
    parts.append("## synth_stack.extend\n\n::: synth_stack.extend")
    return "\n\n".join(parts) + "\n"
