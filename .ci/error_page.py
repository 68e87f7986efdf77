"""The page of every error: what it says, what is allowed, how to mend it; read from the sources."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SAME_AS = {"Refusal": "VerificationError", "fail": "UntrustedGate"}
"""What makes an error under another name: the single verifier's own (packs/refusals.py), and the function
that chooses between a blind and an unfair gate (runs/self_tests.py).
"""

MENDS = {
    "ConfigError": "Change the named key or option. `synth-stack check FILE` finds all faults of a file.",
    "InputError": "Look at the named file, line or column; docs/curate.md says what is read.",
    "ModelError": "Name another model file, or install it: `synth-stack doctor` says what is there.",
    "MissingExtra": "Run the line that the error prints, or leave the feature out.",
    "SandboxError": "`synth-stack doctor` says which sandboxes this machine can build.",
    "RunMismatch": "Name another `--out`, or the recipe and gates that the folder was made from.",
    "WorkError": "Run the same command again: what was committed is kept.",
    "TeacherError": "Start the server or correct its address, then run the same command again.",
    "StoreError": "Make room where the disk is full; delete what is damaged, and run the command again.",
    "GateError": "A gate of your own: it has to return a verdict for each row. One of ours: tell us.",
    "UntrustedGate": "Set the gate to these data, or state in the gate file what you accept.",
    "BlindGate": "Set the gate to these data (its language, its model), or lower `min_recall` with a reason.",
    "UnfairGate": "Loosen the check that turns innocent rows away, or raise `max_unfair` with a reason.",
    "ServerError": "Look whether the server runs and what it logs, then run the same command again.",
    "SigningError": "Look at the key file, or name another with `--key`.",
    "VerificationError": "Do not use the pack: ask whoever made it for another copy, and for the key id.",
}
"""What helps where an error has no mend of its own, by class."""


@dataclass(frozen=True, slots=True, order=True)
class Told:
    """One error as the source has it: its class, the part of the package, what it says, its own mend."""

    kind: str
    part: str
    what: str
    mend: str


def write_errors(package: Path, errors: Iterable[Told] | None = None) -> str:
    """The page, by class; `errors` are those of `list_errors`, where they are at hand."""
    found = defaultdict(set)
    for told in list_errors(package) if errors is None else errors:
        found[told.kind].add(told)
    parts = [
        "# Errors",
        "Every error is one sentence: the thing, the value that was seen, what is allowed, and how to mend "
        "it. This page is made of the package's own sources; … stands for what differs from case to case. An "
        "error of class UsageError ends with exit code 2 before anything is spent, a WorkError with 1, and "
        "what was committed is kept. Where the last column is empty, what stands below the name of the class "
        "helps.",
    ]
    for kind, says in read_classes(package).items():
        if kind in found:
            lines = [
                f"| {told.part} | {escape(told.what)} | {escape(told.mend) or '–'} |"
                for told in sorted(found[kind])
            ]
            head = "| Part | Says | Mend |\n|---|---|---|"
            parts.append(f"## {kind}\n\n{says}\n\n{MENDS[kind]}\n\n{head}\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def read_classes(package: Path) -> dict[str, str]:
    """What each class of error is for, in the order of errors.py."""
    tree = ast.parse((package / "errors.py").read_text(encoding="utf-8"))
    return {
        node.name: ast.get_docstring(node) or ""
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name != "Faults"
    }


def list_errors(package: Path) -> Iterator[Told]:
    """Every error that the package makes; `what` is … alone where it only hands on another's words."""
    kinds = read_classes(package)
    for path in sorted(package.rglob("*.py")):
        part = path.relative_to(package).parts[0].removesuffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for call, names in walk_calls(tree, {}):
            kind = SAME_AS.get(name := name_called(call), name)
            if kind not in kinds or not (call.args or call.keywords):
                continue
            says = {key.arg: read_words(key.value, names) for key in call.keywords}
            placed = ["what", "seen", "allowed"] if name == "Refusal" else ["what"]
            says |= {key: read_words(arg, names) for key, arg in zip(placed, call.args, strict=False)}
            allowed = f"; allowed: {says['allowed']}" if says.get("allowed") else ""
            yield Told(kind, part, says.get("what", "…") + allowed, says.get("mend", ""))


def walk_calls(
    node: ast.AST, names: Mapping[str, list[ast.expr]]
) -> Iterator[tuple[ast.Call, Mapping[str, list[ast.expr]]]]:
    """Each call below a node, with what the names around it are set to."""
    if isinstance(node, ast.FunctionDef | ast.Module):
        names = {**names, **read_assigned(node)}
    if isinstance(node, ast.Call):
        yield node, names
    for child in ast.iter_child_nodes(node):
        yield from walk_calls(child, names)


def read_assigned(scope: ast.AST) -> dict[str, list[ast.expr]]:
    """What each name is set to anywhere in a function or module."""
    found = defaultdict(list)
    for node in ast.walk(scope):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name].append(value)
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                for target, value in zip(targets, values, strict=False):
                    if isinstance(target, ast.Name):
                        found[target.id].append(value)
    return dict(found)


def name_called(call: ast.Call) -> str:
    """The last name of what is called."""
    return getattr(call.func, "id", None) or getattr(call.func, "attr", "")


def read_words(node: ast.expr, names: Mapping[str, list[ast.expr]]) -> str:  # noqa: PLR0911  (a kind each)
    """The words of a text in the source, with … for what is computed."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return read_words(left, names) + read_words(right, names)
        case ast.IfExp(body=body, orelse=orelse):
            others = [read_words(each, names) for each in (body, orelse)]
            return " / ".join(words for words in others if words) or "…"
        case ast.Constant(value=None):
            return ""
        case ast.Name(id=name) if name in names:
            rest = {key: value for key, value in names.items() if key != name}
            known = dict.fromkeys(read_words(value, rest) for value in names[name])
            return " / ".join(words for words in known if words.strip("… ")) or "…"
    return "…"


def escape(text: str) -> str:
    """Words as a cell of a Markdown table; what stands between backticks is code."""
    parts = text.replace("|", "\\|").replace("\n", " ").split("`")
    if len(parts) % 2 == 0:
        parts = ["`".join(parts)]
    return "`".join(
        part if place % 2 else re.sub(r"([<>{}\[\]*_`])", r"\\\1", part) for place, part in enumerate(parts)
    )
