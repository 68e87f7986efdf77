"""The single file: its rule against the engine's, its JSON against RFC 8785, its tree against the package's."""

import ast
import hashlib
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.decisions.decide import PERSON, Rule, decide
from synth_stack.errors import VerificationError
from synth_stack.lineage.leaf_index import LeafIndex
from synth_stack.lineage.merkle import grow_tree
from synth_stack.lineage.record import build_records
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.statement import describe_rule, read_rule
from synth_stack.packs.verify.contents import check_decisions
from synth_stack.packs.verify.recount import read_verifier
from synth_stack.rows.canonical import canonical_json, canonical_text
from synth_stack.rows.schemas import OUTCOMES, build_verdicts
from synth_stack.runs.locks import DialLock, GateLock, GatesLock, RuleLock
from tests.examples import examples
from tests.lineage.shards import CONTEXT, make_candidates
from tests.packs.judged_run import ADVERSARIAL, ROWS, build_pack

FILE = "lineage/records-00000.parquet"
ORDER = ("one", "two")


def lock(*gates: GateLock | str, **changes: Any) -> GatesLock:
    """A gate lock of these gates, with their rule and what `changes` of it."""
    locks = [gate if isinstance(gate, GateLock) else GateLock(use=gate, version="1") for gate in gates]
    rule = {**Rule(tuple(gate.use for gate in locks)).to_json(), **changes}
    return GatesLock(scheme="synth_stack/gates-lock/v2", gates=locks, rule=RuleLock.model_validate(rule))


RULE = read_rule(lock(*ORDER))


def make_records(said: dict[str, list[str | None]], **fields: Any) -> list[dict[str, Any]]:
    """The records of rows of which each gate said one outcome a row (None: nothing), decided by the engine."""
    n = len(next(iter(said.values())))
    rows = make_candidates(n, **fields)
    verdicts = []
    for gate, outcomes in said.items():
        seen = [place for place, outcome in enumerate(outcomes) if outcome is not None]
        told = [outcome for outcome in outcomes if outcome is not None]
        away = [outcome in {"reject", "hold"} for outcome in told]
        verdicts.append(
            build_verdicts(
                rows["row_id"].take(pa.array(seen, pa.int64())),
                gate,
                told,
                reasons=[f"{gate} says {o}" if bad else None for o, bad in zip(told, away, strict=True)],
                reason_classes=[f"{gate}.{o}" if bad else None for o, bad in zip(told, away, strict=True)],
                evidence=[canonical_text({"replaced_by": "f" * 32}) if o == "reject" else None for o in told],
            )
        )
    decisions = decide(rows, verdicts, Rule(ORDER))
    table = build_records(rows, pa.concat_tables(verdicts), decisions, context=CONTEXT)
    return [verify_pack.parse_record(data, "a record") for data in table["record"].to_pylist()]


def see_in_order(one: str, two: str, person: str | None) -> dict[str, str | None]:
    """What is said of a row that a gate shows to the next one where it does not reject it."""
    return {"one": one, "two": None if one == "reject" else two, PERSON: person}


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(OUTCOMES), st.sampled_from(OUTCOMES), st.sampled_from([*OUTCOMES, None])),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
    st.sampled_from(["instruction", "foreign"]),
)
def test_the_rule_of_the_single_file_is_that_of_the_engine(
    outcomes: list[tuple[str, str, str | None]], broken: bool, kind: str
) -> None:
    seen = [see_in_order(*row) for row in outcomes]
    said = {gate: [row[gate] for row in seen] for gate in ("one", "two", PERSON)}
    check_decisions(
        FILE,
        make_records(said, failure="torn" if broken else None, kind=kind),
        verify_pack.DecisionCheck(RULE),
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("decision", "accepted"),
        ("gate", "two"),
        ("reason", "x"),
        ("reason_class", "one.hold"),
        ("replaced_by", None),
    ],
)
def test_a_decision_that_its_verdicts_do_not_give_is_named(key: str, value: str | None) -> None:
    records = make_records({"one": ["accept", "reject"], "two": ["accept", None]})
    records[1]["decision"][key] = value
    said = f"^{FILE}: the {key} of row {records[1]['row_id']} is not what its verdicts give"
    with pytest.raises(VerificationError, match=said):
        check_decisions(FILE, records, verify_pack.DecisionCheck(RULE))


def find(records: list[dict[str, Any]], rule: verify_pack.SignedRule = RULE) -> str:
    faults = [verify_pack.find_decision_fault(record, rule, rule.places) for record in records]
    check = verify_pack.DecisionCheck(rule)
    for _ in range(2):  # the second time by what it learned from the first
        assert [str(check.find_fault(record)) for record in records] == [str(fault) for fault in faults]
    return next((str(fault) for fault in faults if fault), "")


@pytest.mark.parametrize(("outcome", "score"), [("accept", "0.9"), ("reject", "0.1"), ("hold", "0.1")])
def test_a_score_is_compared_in_every_record_of_a_pattern_that_was_sound_before(
    outcome: str, score: str
) -> None:
    dial = DialLock(
        parameter="threshold",
        score="score",
        rejects=">",
        threshold="0.5",
        outcome="reject",
        classes=["one.reject", "one.hold"],
        strict=True,
    )
    rule = read_rule(lock(GateLock(use="one", version="1", dials=[dial])))
    records = make_records({"one": [outcome]}) * 2
    sound = {"accept": "0.1", "reject": "0.9", "hold": "0.9"}[outcome]
    records = [
        {**record, "verdicts": [{**record["verdicts"][0], "score": told, "threshold": "0.5"}]}
        for record, told in zip(records, (sound, score), strict=True)
    ]
    assert find(records[:1], rule) == ""
    assert "threshold" in find(records, rule)


def test_verdicts_in_another_order_than_the_gates_worked_are_named() -> None:
    records = make_records({"one": ["accept"], "two": ["accept"], PERSON: ["accept"]})
    for order in ([1, 0, 2], [2, 0, 1], [0, 2, 1]):
        shuffled = {**records[0], "verdicts": [records[0]["verdicts"][i] for i in order]}
        assert "not in order" in find([shuffled])


@pytest.mark.parametrize(
    ("take", "fault"),
    [
        ([], "has no verdict of one, which it reached"),
        ([0], "has no verdict of two, which it reached"),
        ([1], "has no verdict of one, which it reached"),
        ([0, 0, 1], "two verdicts of one, the second of which is no late hold"),
        ([0, 1, 1], "two verdicts of two, the second of which is no late hold"),
    ],
)
def test_a_gate_that_is_missing_or_there_twice_is_named(take: list[int], fault: str) -> None:
    records = make_records({"one": ["accept"], "two": ["accept"]})
    records[0]["verdicts"] = [records[0]["verdicts"][i] for i in take]
    assert fault in find(records)


def test_a_gate_speaks_of_no_row_that_another_rejected_before_unless_it_sees_all() -> None:
    records = make_records({"one": ["reject"], "two": [None]})
    stray = make_records({"one": ["accept"], "two": ["accept"]})[0]["verdicts"][1]
    assert not find(records)
    records[0]["verdicts"].append(stray)
    assert "has a verdict of two, which it did not reach" in find(records)
    sees_all = read_rule(lock("one", GateLock(use="two", version="1", all=True)))
    assert not find(records, sees_all)
    records[0]["verdicts"].pop()
    assert "has no verdict of two, which it reached" in find(records, sees_all)


def test_a_late_hold_stands_after_the_verdict_of_its_gate() -> None:
    records = make_records({"one": ["accept"], "two": ["accept"]})
    own = records[0]["verdicts"][0]
    late = {**own, "outcome": "hold", "scope": "slice", "reason": "hot", "reason_class": "one.hot"}
    records[0]["verdicts"].insert(1, late)
    records[0]["decision"] = {
        **records[0]["decision"],
        "decision": "held",
        "gate": "one",
        "reason": "hot",
        "reason_class": "one.hot",
    }
    assert not find(records)
    records[0]["verdicts"][1] = {**late, "scope": "row"}
    assert "no late hold" in find(records)


def test_a_verdict_of_nobody_that_the_lock_knows_is_named() -> None:
    records = make_records({"one": ["accept"], "two": ["accept"], PERSON: ["accept"]})
    records[0]["verdicts"][2]["gate"] = "somebody"
    assert "a verdict of somebody is of no gate in gates.yaml" in find(records)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"score": "0.9"}, "accepts it, and its score is beyond the threshold; seen: 0.9"),
        ({"score": "0.8"}, ""),
        ({"outcome": "abstain", "score": "0.9"}, ""),
        ({"threshold": "0.7"}, "the threshold of one is none of those"),
        ({"reason_class": "one.near"}, "accepts it, and gives a reason against it"),
        ({"reason": "near"}, "accepts it, and gives a reason against it"),
        ({"outcome": "reject", "reason_class": "one.near", "score": "0.9"}, "the decision of row"),
        (
            {"outcome": "reject", "reason_class": "one.near", "score": "0.2"},
            "its score is within the threshold",
        ),
        ({"outcome": "reject", "reason_class": "one.other", "score": "0.2"}, "the decision of row"),
        ({"outcome": "reject", "reason_class": None}, "for a class that is none of its own"),
        ({"outcome": "hold", "reason_class": "two.near"}, "for a class that is none of its own"),
    ],
)
def test_a_verdict_stands_on_its_side_of_the_dial(changes: dict[str, Any], fault: str) -> None:
    dial = DialLock(
        parameter="t", score="score", rejects=">", threshold="0.8", outcome="reject", classes=["one.near"]
    )
    rule = read_rule(lock(GateLock(use="one", version="1", dials=[dial]), "two"))
    records = make_records({"one": ["accept"], "two": ["accept"]})
    records[0]["verdicts"][0] |= {"score": "0.2", "threshold": "0.8", **changes}
    if changes.get("outcome") == "reject":
        records[0]["verdicts"].pop()
    assert fault in find(records, rule) if fault else not find(records, rule)


@pytest.mark.parametrize(
    ("rejects", "beyond"),
    [(">", (False, False, True)), (">=", (False, True, True)), ("<", (True, False, False))],
)
def test_the_sides_of_a_dial(rejects: str, beyond: tuple[bool, ...]) -> None:
    dial = verify_pack.SignedDial(rejects, 0.5, "reject", frozenset())
    assert tuple(map(dial.is_crossed, (0.4, 0.5, 0.6))) == beyond


def test_the_rule_of_a_lock_is_that_of_its_gates() -> None:
    assert read_rule(lock("one", "two")).order == ORDER
    assert read_rule(lock("one")).overriding == ("review",)


@pytest.mark.parametrize(
    "changes",
    [
        {"order": ["two", "one"]},
        {"order": ["one"]},
        {"precedence": ["hold"]},
        {"overriding": ["one"]},
        {"overriding": ["auditor"]},
        {"overriding": ["review", "auditor"]},
        {"overriding": []},
    ],
)
def test_another_rule_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(VerificationError, match=r"^gates\.yaml: its rule (is|lets)"):
        read_rule(lock("one", "two", **changes))


def test_the_action_of_a_dial_is_read_from_the_parameters() -> None:
    dial = DialLock(
        parameter=None, score="score", rejects=">", threshold="1.0", outcome="kinds.a", classes=[]
    )
    gate = GateLock(use="one", version="1", params={"kinds": {"a": "hold"}}, dials=[dial])
    assert describe_rule(lock(gate))["gates"][0]["dials"][0]["action"] == "hold"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_its_json_is_that_of_rfc_8785(value: Any) -> None:
    try:
        expected = canonical_json(value)
    except ValueError:
        return  # a lone surrogate
    assert verify_pack.canonical(value) == expected


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=600))
@settings(max_examples=examples(30), deadline=None)
def test_its_tree_is_that_of_the_package(leaves: list[bytes]) -> None:
    tree = verify_pack.GrowingTree()
    for leaf in leaves:
        tree.add(leaf)
    data = np.frombuffer(b"".join(leaves), dtype=np.uint8).reshape(-1, 32)
    head = grow_tree([data])
    assert (tree.size, tree.root()) == (head.size, head.root)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_pack(tmp_path_factory.mktemp("pack"), adversarial=ADVERSARIAL)


def run_file(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The file as a stranger runs it: by itself, from an empty folder, without the package in sight."""
    command = [sys.executable, "-I", str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=script.parent)


def test_its_index_is_that_of_the_package_however_many_rows_are_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [hashlib.sha256(bytes([number])).digest()[:16] for number in range(250)]
    ids += [bytes(12) + bytes([1, 2, 3, number]) for number in range(3)]  # they begin alike
    with closing(LeafIndex()) as index:
        index.add(pa.array([row_id.hex() for row_id in ids], pa.string()))
        data = b"".join(index.each_block())
    (tmp_path / "lineage").mkdir()
    (tmp_path / layout.INDEX).write_bytes(data)

    def compare(row_ids: list[bytes]) -> None:
        with closing(verify_pack.LeafOrder()) as own:
            for leaf, row_id in enumerate(row_ids):
                own.add(row_id, leaf)
            own.compare(tmp_path)

    for run_rows in (1, 7, 100, 10_000):
        monkeypatch.setattr(verify_pack, "RUN_ROWS", run_rows)
        compare(ids)
        with pytest.raises(verify_pack.Refusal, match=r"entry \d+ is not what the records give"):
            compare(ids[::-1])
        with pytest.raises(verify_pack.Refusal, match=f"row {ids[252].hex()} stands in the lineage twice"):
            compare([*ids, ids[252]])


def test_the_copy_in_a_pack_is_the_module_and_verifies_the_pack(pack: Path, tmp_path: Path) -> None:
    script = tmp_path / "verify_pack.py"
    script.write_bytes((pack / layout.VERIFIER).read_bytes())
    assert script.read_bytes() == read_verifier()
    done = run_file(script, str(pack))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"ok       {ROWS} lineage records" in done.stdout
    key_id = done.stdout.split()[-1]
    assert run_file(script, str(pack), "--key-id", key_id).returncode == 0
    wrong = run_file(script, str(pack), "--key-id", "0" * 64)
    assert wrong.returncode == 1
    assert "is not the expected key" in wrong.stdout


def test_one_row_is_proved_and_another_is_refused(pack: Path, tmp_path: Path) -> None:
    script = tmp_path / "verify_pack.py"
    script.write_bytes(read_verifier())
    record = orjson.loads(next(verify_pack.read_lines(pack, layout.lines_name(0))))
    done = run_file(script, str(pack), "--row", record["row_id"][:8])
    assert done.returncode == 0
    assert f"proved   record: leaf 0 of {ROWS}" in done.stdout
    assert "no row of that id" in run_file(script, str(pack), "--row", "f" * 32).stdout
    assert "not a row id" in run_file(script, str(pack), "--row", "../../etc").stdout


@pytest.mark.parametrize("arguments", [("nowhere",), (".", "--key-id", "x")])
def test_wrong_arguments_are_exit_2_and_a_folder_that_is_no_pack_is_exit_1(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    script = tmp_path / "verify_pack.py"
    script.write_bytes(read_verifier())
    assert run_file(script, *arguments).returncode == 2
    (tmp_path / "empty").mkdir()
    done = run_file(script, "empty")
    assert (done.returncode, done.stderr) == (1, "")
    assert "README.md is missing" in done.stdout


def test_it_imports_the_standard_library_and_cryptography_alone() -> None:
    tree = ast.parse(read_verifier())
    named = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names]
        )
    }
    assert named - set(sys.stdlib_module_names) == {"cryptography"}


def test_verify_imports_without_fcntl_and_nothing_heavy() -> None:
    """What a recipient on Windows or macOS imports; `fcntl` is POSIX alone."""
    script = (
        "import sys; sys.modules['fcntl'] = None; import synth_stack; synth_stack.verify; "
        "print(sorted({'polars', 'torch', 'datasets', 'distilabel', 'pandas', 'sklearn', 'jinja2', 'httpx'} "
        "& set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_changed_verifier_in_a_pack_is_another_file(pack: Path) -> None:
    digest = hashlib.sha256(read_verifier()).hexdigest()
    assert digest == hashlib.sha256((pack / layout.VERIFIER).read_bytes()).hexdigest()


def test_a_reader_that_has_seen_enough_is_no_error(pack: Path) -> None:
    command = [sys.executable, "-I", verify_pack.__file__, str(pack)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait() == 0
