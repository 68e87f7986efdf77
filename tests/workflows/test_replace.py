"""Rows of a judged batch replaced by others: what is judged again, what is decided, and what is refused."""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from synth_stack.decisions.decide import PERSON
from synth_stack.errors import ConfigError, InputError, StoreError
from synth_stack.files import read_table, write_table
from synth_stack.gates.gate import Judge, Round, State
from synth_stack.registry import gate
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates, build_verdicts
from synth_stack.runs.folder import LOCK, open_run
from synth_stack.workflows.curate import curate
from synth_stack.workflows.judge import bind_gates
from synth_stack.workflows.replace import replace_rows
from tests.kill_moments import pick_moments
from tests.packs.shaped_pack import judge_rows
from tests.recipes import read_tree
from tests.some_rows import make_preference_row, make_row, make_tool_row

SEEN: dict[str, list[list[str]]] = {"toy_word": [], "toy_twin": []}
"""What the toy gates were shown, table by table."""


@gate("toy_word", version="1")
def toy_word(*, word: str = "bad", hold: str = "unsure") -> Judge:
    """Rejects rows with one word and holds those with another, row by row."""

    def judge(table: pa.Table, _: State) -> pa.Table:
        texts = table["text"].to_pylist()
        SEEN["toy_word"].append(texts)
        outcomes = ["reject" if word in t else "hold" if hold in t else "accept" for t in texts]
        kinds = {"reject": "toy_word.word", "hold": "toy_word.doubt", "accept": None}
        return build_verdicts(
            table["row_id"], "toy_word", outcomes, reason_classes=[kinds[o] for o in outcomes]
        )

    return Judge(judge)


@gate("toy_twin", version="1")
def toy_twin() -> Judge:
    """Rejects every row whose text another row of the batch has too."""

    def sketch(table: pa.Table, _: State) -> pa.Table:
        return table.select(["text"])

    def merge(sketches: Iterable[pa.Table], _: State) -> Mapping[str, pa.Table]:
        counted = pa.concat_tables(sketches).group_by("text").aggregate([("text", "count")])
        return {"twins": counted.filter(pc.greater(counted["text_count"], 1)).select(["text"])}

    def judge(table: pa.Table, state: State) -> pa.Table:
        SEEN["toy_twin"].append(table["text"].to_pylist())
        twice = pc.is_in(table["text"], value_set=state["twins"]["text"].combine_chunks()).to_pylist()
        return build_verdicts(
            table["row_id"],
            "toy_twin",
            ["reject" if t else "accept" for t in twice],
            reason_classes=["toy_twin.twin" if t else None for t in twice],
        )

    return Judge(judge, rounds=(Round(sketch, merge),))


GATES = """version: 1
gates:
  - use: structure
    languages: []
  - use: toy_word
  - use: toy_twin
"""
TEXTS = ("a good answer", "one bad answer", "an unsure answer", "the same answer", "another answer")


def say(text: str, **fields: Any) -> dict[str, Any]:
    return make_row(("user", "Say something, please."), ("assistant", text), **fields)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A judged folder: accepted, rejected, held, accepted, accepted."""
    rows = [say(text, draw=k) for k, text in enumerate(TEXTS)]
    judged = judge_rows(tmp_path, rows, GATES)
    assert list(decide(judged).values()) == ["accepted", "rejected", "held", "accepted", "accepted"]
    for shown in SEEN.values():
        shown.clear()
    return judged


def read_rows(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_table(folder / "candidates" / "part-00000.parquet").to_pylist()
    return found


def decide(folder: Path) -> dict[str, str]:
    decisions = read_table(folder / "decisions.parquet").to_pylist()
    return {row["row_id"]: row["decision"] for row in decisions}


def correct(row: Mapping[str, Any], text: str, **fields: Any) -> dict[str, Any]:
    """A row that stands for another."""
    return {**row, **say(text), "parent_id": row["row_id"], "draw": row["draw"], **fields}


def gates_of(folder: Path) -> Path:
    return folder.parent / "gates.yaml"


def replace(folder: Path, *rows: Mapping[str, Any], **options: Any) -> dict[str, str]:
    replace_rows(folder, gates_of(folder), list(rows), **options)
    return decide(folder)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_accepted_a_rejected_and_a_held_row_are_replaced(folder: Path, number: int) -> None:
    original = read_rows(folder)[number]
    made = correct(original, "the right answer")
    batch = replace_rows(folder, gates_of(folder), [made], reason="it was wrong")
    (row_id,) = build_candidates([made])["row_id"].to_pylist()
    rows = {row["row_id"]: row for row in read_table(folder / "decisions.parquet").to_pylist()}
    assert rows[original["row_id"]] == {
        "row_id": original["row_id"],
        "source_id": None,
        "decision": "rejected",
        "gate": PERSON,
        "reason": "it was wrong",
        "reason_class": "review.replaced",
        "replaced_by": row_id,
    }
    assert rows[row_id]["decision"] == "accepted"
    assert batch.figures.rows == 6


def test_the_verdict_on_the_original_is_a_persons(folder: Path) -> None:
    original = read_rows(folder)[0]
    made = correct(original, "the right answer")
    replace(folder, made)
    (verdict,) = read_table(folder / "verdicts" / PERSON / "part-replaced-00000.parquet").to_pylist()
    assert (verdict["row_id"], verdict["gate"], verdict["outcome"]) == (original["row_id"], PERSON, "reject")
    assert json.loads(verdict["evidence"]) == {"replaced_by": build_candidates([made])["row_id"][0].as_py()}


def test_a_gate_row_by_row_sees_the_new_rows_alone_and_one_with_rounds_sees_all(folder: Path) -> None:
    replace(folder, correct(read_rows(folder)[0], "the right answer"))
    said = [[text.split("\n\n")[1] for text in texts] for texts in SEEN["toy_word"]]
    assert said == [["the right answer"]]
    assert sum(map(len, SEEN["toy_twin"])) == 5  # all but the one that toy_word rejects


def test_the_new_row_goes_through_every_gate(folder: Path) -> None:
    one, two, three = read_rows(folder)[:3]
    decided = replace(
        folder,
        correct(one, "a bad answer still"),
        correct(two, TEXTS[3], draw=9),
        correct(three, "\0"),
    )
    assert list(decided.values())[-3:] == ["rejected"] * 3
    decisions = read_table(folder / "decisions.parquet").to_pylist()
    assert [row["gate"] for row in decisions[-3:]] == ["toy_word", "toy_twin", "structure"]
    # the row that it now repeats is turned away too: the batch was judged again
    assert decisions[3]["reason_class"] == "toy_twin.twin"


def test_the_piles_the_report_and_the_manifest_are_written_again(folder: Path) -> None:
    original = read_rows(folder)[0]
    before = json.loads((folder / "MANIFEST.json").read_bytes())["facts"]
    report = (folder / "report.html").read_bytes()
    replace(folder, correct(original, "the right answer"))
    accepted = pa.concat_tables([read_table(path) for path in sorted((folder / "accepted").iterdir())])
    rejected = [
        row for path in sorted((folder / "rejected").iterdir()) for row in read_table(path).to_pylist()
    ]
    assert original["row_id"] not in accepted["row_id"].to_pylist()
    assert "the right answer" in accepted["text"].to_pylist()[-1]
    assert next(row for row in rejected if row["row_id"] == original["row_id"])["gate"] == PERSON
    assert json.loads((folder / "MANIFEST.json").read_bytes())["facts"] != before
    assert (folder / "report.html").read_bytes() != report


def test_rows_are_replaced_again_and_again_while_the_batch_is_not_packed(folder: Path) -> None:
    first, second = read_rows(folder)[:2]
    one = correct(first, "a better answer")
    replace(folder, one)
    two = correct({**one, "row_id": build_candidates([one])["row_id"][0].as_py()}, "the best answer")
    decided = replace(folder, two, correct(second, "no longer wrong"))
    assert list(decided.values())[:5] == ["rejected", "rejected", "held", "accepted", "accepted"]
    assert list(decided.values())[5:] == ["rejected", "accepted", "accepted"]
    parts = sorted(path.name for path in (folder / "candidates").glob("part-amended-*"))
    assert parts == [f"part-amended-by-person-0000{k}.parquet" for k in range(2)]


def test_the_same_call_again_changes_nothing(folder: Path) -> None:
    made = correct(read_rows(folder)[0], "the right answer")
    replace(folder, made)
    before = read_tree(folder)
    replace(folder, made)
    assert read_tree(folder) == before


def test_rows_come_as_a_table_too(folder: Path) -> None:
    table = build_candidates([correct(read_rows(folder)[0], "the right answer")])
    replace_rows(folder, bind_gates(gates_of(folder)), table)
    assert decide(folder)[table["row_id"][0].as_py()] == "accepted"
    with pytest.raises(InputError, match="does not have the id that it gives itself"):
        replace_rows(
            folder, gates_of(folder), table.set_column(0, table.schema.field(0), pa.array(["0" * 32]))
        )


def test_what_a_person_replaced_stays_so_when_the_folder_is_judged_again(folder: Path) -> None:
    original = read_rows(folder)[0]
    made = correct(original, "the right answer")
    decided = replace(folder, made)
    other = folder.parent / "other.yaml"
    other.write_text(GATES.replace("  - use: toy_twin\n", ""), encoding="utf-8")
    curate(folder, other, folder)
    assert decide(folder) == decided


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (lambda rows: [correct(rows[0], "x", parent_id=None)], "names no row of the batch"),
        (lambda rows: [correct(rows[0], "x", parent_id="f" * 32)], "names no row of the batch"),
        (lambda rows: [correct(rows[0], "x"), correct(rows[0], "y")], "another row replaces"),
        (lambda rows: [correct(rows[0], "x", kind="code")], "its kind is not that of"),
        (lambda rows: [correct(rows[0], "x", generator="canary")], "reach no pack"),
        (lambda rows: [], "there is no row"),
        (lambda rows: [{**correct(rows[0], "x"), "kind": "chat"}], "the rows are no candidates"),
        (lambda rows: [{"parent_id": rows[0]["row_id"]}], "the rows are no candidates"),
        (lambda rows: [correct(rows[0], "x", draw="first")], "the rows are no candidates"),
    ],
)
def test_rows_that_cannot_replace_what_they_name_are_refused_and_nothing_changes(
    folder: Path, rows: Any, why: str
) -> None:
    before = read_tree(folder)
    with pytest.raises(InputError, match=why):
        replace(folder, *rows(read_rows(folder)))
    assert read_tree(folder) == before
    assert not (folder / "candidates" / ".replacing.parquet").exists()


def test_a_row_is_replaced_once_and_one_that_a_person_rejected_never(folder: Path) -> None:
    first, second = read_rows(folder)[:2]
    replace(folder, correct(first, "the right answer"))
    with pytest.raises(InputError, match="is replaced already, by"):
        replace(folder, correct(first, "another right answer"))
    said = build_verdicts(
        pa.array([second["row_id"]]), PERSON, ["reject"], reasons=["no"], reason_classes=["review.no"]
    )
    write_table(folder / "verdicts" / PERSON / "part-by-hand.parquet", said)
    curate(folder, gates_of(folder), folder)
    with pytest.raises(InputError, match="a person rejected"):
        replace(folder, correct(second, "the right answer"))


def test_a_folder_that_is_packed_not_judged_or_judged_by_others_is_refused(folder: Path) -> None:
    made = correct(read_rows(folder)[0], "the right answer")
    other = folder.parent / "other.yaml"
    other.write_text(GATES.replace("  - use: toy_twin\n", ""), encoding="utf-8")
    with pytest.raises(ConfigError, match="judged by other gates"):
        replace_rows(folder, other, [made])
    with pytest.raises(ConfigError, match="allowed: review"):
        replace(folder, made, by="somebody")
    (folder / "pack").mkdir()
    with pytest.raises(InputError, match="are packed"):
        replace(folder, made)
    (folder / "pack").rmdir()
    (folder / "decisions.parquet").unlink()
    with pytest.raises(InputError, match="not judged to the end"):
        replace(folder, made)
    with pytest.raises(InputError, match="holds no judged rows"):
        replace_rows(folder.parent / "none", gates_of(folder), [made])


def test_a_folder_in_use_is_left_alone(folder: Path) -> None:
    made = correct(read_rows(folder)[0], "the right answer")
    with open_run(folder, (folder / LOCK).read_bytes()), pytest.raises(StoreError, match="in use"):
        replace(folder, made)


class Killed(BaseException):
    """What ends a process in the middle of its work."""


class Kills:
    """Called with n, it makes the process die at the n-th change of a file system from then on; with 0, never.

    A change is a file that is put in its place, renamed or removed; `made` counts those since the call.
    """

    def __init__(self) -> None:
        self.left = 0

    def __call__(self, n: int) -> None:
        self.asked = self.left = n

    @property
    def made(self) -> int:
        return self.asked - self.left

    def count(self, change: Any) -> Any:
        def changed(*given: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise Killed
            return change(*given, **options)

        return changed


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Kills:
    kills = Kills()
    for name in ("replace", "rename", "unlink"):
        monkeypatch.setattr(Path, name, kills.count(getattr(Path, name)))
    return kills


@pytest.mark.slow
def test_a_call_that_is_killed_anywhere_is_finished_by_the_same_call(folder: Path, kill_at: Kills) -> None:
    rows = [correct(row, f"the right answer {k}") for k, row in enumerate(read_rows(folder)[:2])]
    saved = folder.with_name("saved")
    shutil.copytree(folder, saved)
    kill_at(0)
    replace(folder, *rows)
    whole = read_tree(folder)
    assert kill_at.made > 20
    for moment in pick_moments(range(1, kill_at.made + 1), 4):
        shutil.rmtree(folder)
        shutil.copytree(saved, folder)
        kill_at(moment)
        with pytest.raises(Killed):
            replace(folder, *rows)
        kill_at(0)
        replace(folder, *rows)
        assert read_tree(folder) == whole


def test_rows_that_wait_are_taken_in_by_whoever_judges_next(folder: Path, kill_at: Kills) -> None:
    rows = read_rows(folder)
    made = correct(rows[0], "the right answer")
    saved = folder.with_name("saved")
    shutil.copytree(folder, saved)
    decided = replace(folder, made)
    shutil.rmtree(folder)
    shutil.copytree(saved, folder)
    kill_at(2)  # the rows are written down, and no more
    with pytest.raises(Killed):
        replace(folder, made)
    kill_at(0)
    assert (folder / "candidates" / ".replacing.parquet").exists()
    both = shutil.copytree(folder, folder.with_name("both"))
    curate(folder, gates_of(folder), folder)
    assert decide(folder) == decided
    other = correct(rows[1], "no longer wrong")
    assert set(replace(both, other)) > set(decided)


def test_tool_and_preference_rows_are_replaced_too(tmp_path: Path) -> None:
    rows = [make_tool_row(), make_preference_row()]
    judged = judge_rows(tmp_path, rows)
    tool, preference = read_rows(judged)
    messages = [*tool["messages"][:-1], {"role": "assistant", "content": "Take one to Bergen, not to Oslo."}]
    sides = [{**side, "rating": None} for side in preference["alternatives"]]
    made = [
        {**tool, "messages": messages, "parent_id": tool["row_id"]},
        {**preference, "alternatives": sides, "parent_id": preference["row_id"]},
    ]
    replace_rows(judged, gates_of(judged), made)
    assert list(decide(judged).values()) == ["rejected", "rejected", "accepted", "accepted"]


def test_what_a_gate_would_amend_is_left_alone_once_a_person_replaced_it(tmp_path: Path) -> None:
    @gate("toy_mask", version="1")
    def toy_mask() -> Judge:
        """Replaces rows that shout by quiet ones."""

        def amend(table: pa.Table, _: State) -> pa.Table:
            loud = [row for row in table.to_pylist() if "!" in row["text"]]
            return build_candidates(
                {**row, "text": row["text"].replace("!", "."), "parent_id": row["row_id"]} for row in loud
            )

        def judge(table: pa.Table, _: State) -> pa.Table:
            texts = table["text"].to_pylist()
            copies = {row["parent_id"]: row["row_id"] for row in amend(table, {}).to_pylist()}
            ids = table["row_id"].to_pylist()
            return build_verdicts(
                table["row_id"],
                "toy_mask",
                ["reject" if "!" in text else "accept" for text in texts],
                reason_classes=["toy_mask.loud" if "!" in text else None for text in texts],
                evidence=[canonical_text({"replaced_by": copies[i]}) if i in copies else None for i in ids],
            )

        return Judge(judge, amend=amend)

    gates = "version: 1\ngates:\n  - use: toy_mask\n"
    judged = judge_rows(tmp_path, [say("quiet"), say("loud!", draw=1)], gates)
    quiet = read_rows(judged)[0]
    replace_rows(judged, gates_of(judged), [correct(quiet, "now loud!")])
    names = [path.name for path in sorted((judged / "candidates").glob("part-amended-*"))]
    assert names == [
        "part-amended-00000.parquet",
        "part-amended-by-person-00000.parquet",
        "part-amended-copies-00000.parquet",
    ]
    assert list(decide(judged).values()) == ["rejected", "rejected", "accepted", "rejected", "accepted"]
    texts = read_table(judged / "candidates" / names[2])["text"].to_pylist()
    assert texts == ["Say something, please.\n\nnow loud."]
    copy = read_table(judged / "candidates" / names[2]).to_pylist()[0]
    replace_rows(judged, gates_of(judged), [correct(copy, "quiet at last")])
    assert list(decide(judged).values())[-2:] == ["accepted", "rejected"]
