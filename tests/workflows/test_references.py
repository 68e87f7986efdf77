"""Rows of others that a data set may not copy: told by name, refused where they are none."""

import json
from pathlib import Path

import pytest

from synth_stack.errors import ConfigError, InputError
from synth_stack.report.audit import render_audit
from synth_stack.workflows.audit import AuditResult, apply_audit, audit, verify_audit
from synth_stack.workflows.references import Reference, parse_reference
from tests.audited import good_row, write_gates


def write_rows(path: Path, *numbers: int) -> str:
    path.write_text("".join(f"{json.dumps(good_row(number))}\n" for number in numbers), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    """20 rows, of which 3 stand in what a vendor sold, 2 in what is published, and 1 stands twice."""
    folder = tmp_path_factory.mktemp("references")
    data = write_rows(folder / "mine.jsonl", *range(20), 0, 19)
    vendor = Reference("vendor", write_rows(folder / "vendor.jsonl", 0, 1, 2, 700))
    public = Reference("public", write_rows(folder / "public.jsonl", 5, 6, 701))
    return audit(data, write_gates(folder), folder / "out", references=[vendor, public])


def test_copies_of_references_are_told_by_name_and_each_row_once(audited: AuditResult) -> None:
    copies = audited.audit["copies"]
    assert {found["name"]: found["rate"]["count"] for found in copies["references"]} == {
        "vendor": 4,
        "public": 2,
    }
    assert (copies["exact"]["count"], copies["near"]["count"], copies["any"]["count"]) == (1, 0, 7)
    (step,) = [step for step in audited.audit["plan"]["steps"] if step["gate"] == "dedup"]
    assert step["rows"] == copies["any"]["count"]
    assert step["references"] == {"public": 2, "vendor": 4}
    page = render_audit(audited.audit)
    assert "Copies of vendor, which was named as a reference" in page
    assert "Copies of reference rows" not in {gap["what"] for gap in audited.audit["not_checked"]}


def test_the_audit_verifies_with_its_references_and_its_plan_is_carried_out(
    audited: AuditResult, tmp_path: Path
) -> None:
    assert verify_audit(audited.folder).problems == ()
    assert b"vendor" in (audited.folder / "audit.json").read_bytes()
    packed = apply_audit(audited.folder, tmp_path / "pack", gates=audited.folder / "remedy" / "gates.yaml")
    assert packed.counts["accepted"] == audited.audit["plan"]["size_after"] == 15


def test_what_is_no_reference_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    data, gates = write_rows(tmp_path / "mine.jsonl", *range(4)), write_gates(tmp_path)
    other = write_rows(tmp_path / "other.jsonl", 9)
    bare = tmp_path / "bare.yaml"
    bare.write_text("version: 1\ngates: [{use: structure, canaries: 0}]\n", encoding="utf-8")
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    cases: list[tuple[Path, list[tuple[str, str]], type[Exception], str]] = [
        (gates, [("a", str(tmp_path / "gone.jsonl"))], InputError, "reference a: .* does not exist"),
        (gates, [("a", str(empty))], InputError, "reference a: it has no row"),
        (gates, [("a", other), ("a", other)], ConfigError, "a name of its own"),
        (gates, [("a", data)], ConfigError, "the data set itself"),
        (bare, [("a", other)], ConfigError, "no gate compares"),
    ]
    for file, named, error, said in cases:
        with pytest.raises(error, match=said):
            audit(data, file, tmp_path / "out", references=[Reference(*pair) for pair in named])
    assert {path.name for path in tmp_path.iterdir()} == {
        "mine.jsonl",
        "other.jsonl",
        "empty.jsonl",
        "gates.yaml",
        "bare.yaml",
    }
    for text in ("vendor", "=x", "a b=x", "../a=x"):
        with pytest.raises(ConfigError, match="NAME=PATH"):
            parse_reference(text)
