"""Lies that are told the same way wherever a pack repeats them, and still contradict something else in it.

Whoever holds the key changes one thing, makes anew whatever follows from it, rows' digests and ids too, and signs.
"""

import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow.parquet as pq

from synth_stack.files import digest_file
from synth_stack.packs import layout
from synth_stack.rows.canonical import canonical_json, digest_bytes
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, canonical_row
from tests.packs.judged_run import HELD, REJECTED, TEMPLATE_ID, write_packed
from tests.packs.tampering.forge import DATA, HELD_FILE, LINES, LOG, RECORDS, REJECTED_FILE, Forger, Json

Lie = Callable[[Forger], object]
LATER = "not written as packs have it"


@dataclass(frozen=True)
class AgreedLie:
    """One lie; `says` and `single` as of a Mutation."""

    name: str
    apply: Lie
    says: str
    single: bool = False


def list_agreed_lies() -> list[AgreedLie]:
    """Every lie of these kinds."""
    found = [*_list_unread_bytes(), *_list_rows(), *_list_records(), *_list_locks()]
    return [*found, *_list_self_tests(), *_list_statements()]


def _list_unread_bytes() -> Iterator[AgreedLie]:
    """Bytes that a person or another program reads, and that no digest of what is said has."""
    for name in (layout.RECIPE, layout.GATES):
        for what, change in {
            "a comment": lambda data: data + b"# audited by everybody\n",
            "a comment at the start": lambda data: b"# license: mit\n" + data,
            "a line more": lambda data: data + b"\n",
            "quotes": lambda data: data.replace(b"use: ", b"use:  ", 1),
        }.items():
            yield AgreedLie(f"unread: {what} in {name}", _relock(name, change), f"{name} is {LATER}")
    seeds = ("seeds/taxonomy.yaml", "seeds/sections.json")
    changes: dict[str, tuple[str, bytes, bytes]] = {
        "a comment": (seeds[0], b"- ", b"# licensed\n- "),
        "a space": (seeds[1], b'":"', b'": "'),
        "a key twice": (seeds[1], b'{"', b'{"terms#refunds":"never","'),
        "no end of line": (seeds[1], b"}\n", b"}"),
    }
    for what, (name, old, new) in changes.items():
        yield AgreedLie(f"unread: {what} in {name}", _sign_edit(name, old, new), f"{name} is {LATER}")
    for name in (DATA, LOG, RECORDS, "seeds/seeds.parquet", REJECTED_FILE, HELD_FILE):
        yield AgreedLie(
            f"unread: a note in {name}", _note(name, {"note": "checked"}), f"{name} carries a note"
        )
    features = {"huggingface": '{"info":{"features":{"text":{"dtype":"null","_type":"Value"}}}}'}
    yield AgreedLie("unread: columns of another library", _note(DATA, features), f"{DATA} carries a note")
    for what, pack in {
        "a name": lambda data: _gzip(data, filename="trust-me"),
        "a time": lambda data: _gzip(data, mtime=7),
        "a second part": lambda data: (
            gzip.compress(data[:99], 3, mtime=0) + gzip.compress(data[99:], 3, mtime=0)
        ),
        "an empty part": lambda data: gzip.compress(data, 3, mtime=0) + gzip.compress(b"", 3, mtime=0),
    }.items():
        yield AgreedLie(f"unread: {what} in the lines", _repack(pack), LINES, single=True)


def _list_rows() -> Iterator[AgreedLie]:
    """An accepted row with its digest, id, record and log made anew."""
    text, kind = "is not what its messages say", "is not JSON of its kind"
    half = "names half of its teacher"
    lies: dict[str, tuple[Callable[[Json], object], str]] = {
        "a text that gates read, and other messages": (lambda r: r.update(text="Harmless words"), text),
        "no text": (lambda r: r.update(text=None), text),
        "a message that the text lacks": (lambda r: r["messages"].append(_say("Buy now")), text),
        "tools that are no JSON": (lambda r: r.update(tools="{"), kind),
        "tools that are no list": (lambda r: r.update(tools="{}"), kind),
        "an extra that is no JSON": (lambda r: r.update(extra="trust me"), kind),
        "an extra that is a list": (lambda r: r.update(extra="[]"), kind),
        "params that are no JSON": (lambda r: r.update(params="{"), "no object of JSON"),
        "a teacher without its digest": (lambda r: r.update(teacher_digest=None), half),
        "a digest without its teacher": (lambda r: r.update(teacher=None), half),
        "a draw of another row": (lambda r: r.update(draw=1, rng_seed=None), "there is no row of draw 0"),
        "a failure of an accepted row": (lambda r: r.update(failure="torn"), "is not what its verdicts give"),
        "an attachment that is not there": (lambda r: r.update(attachments=[_IMAGE]), "is missing"),
    }
    for what, (change, says) in lies.items():
        yield AgreedLie(f"row made anew: {what}", remake(0, change), says)


def _list_records() -> Iterator[AgreedLie]:
    """What the record of a row that is not in the pack says of other rows; the log repeats it."""
    itself, named = "its row came from itself", "a verdict names its own row as another"
    draw = REJECTED[0]
    evidence = {"evidence_sha256": "a" * 64}
    lies: dict[str, tuple[int, Callable[[Json], object], str]] = {
        "its own parent": (draw, lambda r: r["origin"].update(parent_id=r["row_id"]), itself),
        "its own source": (draw, lambda r: r["origin"].update(source_id=r["row_id"]), itself),
        "its own seed": (draw, lambda r: r["origin"].update(seed_id=r["row_id"]), itself),
        "its own twin": (draw, lambda r: r["verdicts"][0]["cites"].update(twin=r["row_id"]), named),
        "it stands for itself": (
            draw,
            lambda r: (
                r["verdicts"][0]["cites"].update(replaced_by=r["row_id"]),
                r["decision"].update(replaced_by=r["row_id"]),
            ),
            named,
        ),
        "a row for one that is held": (
            HELD[0],
            lambda r: r["verdicts"][2].update(cites={"replaced_by": "f" * 32}, **evidence),
            "that it does not reject",
        ),
        "a row for one that is accepted": (
            0,
            lambda r: r["verdicts"][0].update(cites={"replaced_by": "f" * 32}, **evidence),
            "that it does not reject",
        ),
    }
    for what, (place, change, says) in lies.items():
        yield AgreedLie(f"record made anew: {what}", _record(place, change), says, single=True)
    for params in ("{", "[]", ""):
        yield AgreedLie(
            f"record made anew: the parameters {params!r}",
            _record(HELD[0], _parametrize(params)),
            "no object of JSON",
        )


def _parametrize(params: str) -> Callable[[Json], object]:
    return lambda record: record["origin"].update(params=params)


def _list_locks() -> Iterator[AgreedLie]:
    """A lock that contradicts itself or the rows, with its identity, every record and the card made anew."""
    spare = f"extra@{digest_bytes(b'hi')[:12]}"
    lies: dict[str, tuple[Callable[[Json], object], str]] = {
        "no method": (lambda r: r.pop("methods"), "it has no method"),
        "shares beyond all": (lambda r: r["methods"][0].update(share="3.0"), "methods.0..share"),
        "half of a share": (lambda r: r["methods"][0].update(share="0.5"), "are not 1 together"),
        "no teacher": (lambda r: r.pop("teacher"), "names a teacher, and the recipe none"),
        "no seed": (lambda r: r.pop("seed"), "has an rng_seed, and the recipe no seed"),
        "a template that nothing asks with": (
            lambda r: r["templates"].update({spare: "hi"}),
            "no method asks with",
        ),
        "a reach that there is not": (
            lambda r: r.update(perimeter={"reach": "nowhere at all", "allowed_hosts": 0}),
            "perimeter.reach",
        ),
        "fewer hosts than none": (
            lambda r: r.update(perimeter={"reach": "open", "allowed_hosts": -1}),
            "perimeter.allowed_hosts",
        ),
        "a version that is none": (lambda r: r.update(synth_stack="1.0 (certified)"), "synth_stack"),
        "another scheme": (lambda r: r.update(scheme="synth_stack/recipe-lock/v9"), "scheme"),
        "no scheme": (lambda r: r.pop("scheme"), "scheme"),
        "no number of draws": (lambda r: r["methods"][0].update(draws=None), "without end and no target"),
        "a target beside a number of draws": (
            lambda r: r.update(target={"accepted": 9}),
            "a number of them beside one",
        ),
        "more draws asked again than made": (
            lambda r: r.update(retries=[{"draws": 13}]),
            "asked again than there were",
        ),
        "a template under another name": (
            lambda r: (
                r["templates"].update({f"x{TEMPLATE_ID}": r["templates"].pop(TEMPLATE_ID)}),
                r["methods"][0].update(template_ids=[f"x{TEMPLATE_ID}"]),
            ),
            "names a template that the recipe does not have",
        ),
    }
    for what, (change, says) in lies.items():
        yield AgreedLie(f"recipe made anew: {what}", _lock(layout.RECIPE, change), says)
    judging: dict[str, Callable[[Json], object]] = {
        "another scheme": lambda g: g.update(scheme="synth_stack/gates-lock/v9"),
        "no scheme": lambda g: g.pop("scheme"),
        "an auditor who overrides": lambda g: g["rule"]["overriding"].append("auditor"),
        "an auditor in the place of people": lambda g: g["rule"].update(overriding=["auditor"]),
        "nobody who overrides": lambda g: g["rule"]["overriding"].clear(),
        "nothing that becomes of a row": lambda g: g["gates"][0]["dials"][0].update(outcome="rejectx"),
        "a parameter that is a text": lambda g: g["gates"][0]["params"].update(threshold="0.85"),
        "a parameter that is a truth value": lambda g: g["gates"][0]["params"].update(threshold=True),
    }
    for what, change in judging.items():
        says, single = ("override gates", True) if "overrid" in what or "people" in what else ("gates", False)
        yield AgreedLie(f"gates made anew: {what}", _lock(layout.GATES, change), says, single)
    for value in ("0.99", "0.1"):
        yield AgreedLie(
            f"gates made anew: a threshold of {value} that is not the parameter",
            _move_dial(value),
            "is not its parameter threshold|its score is",
        )


def _list_self_tests() -> Iterator[AgreedLie]:
    """Kinds of planted rows, by names that tell no kind from another."""
    lies: dict[str, Callable[[list[Json]], object]] = {
        "a kind twice": lambda kinds: kinds.append(dict(kinds[-1])),
        "a kind without a name": lambda kinds: kinds[-1].update(kind=""),
    }
    for what, change in lies.items():
        for side in ("canaries", "controls"):
            yield AgreedLie(
                f"self-test made anew: {what} among {side}",
                _retest(side, change),
                "stands there twice",
                single=True,
            )


def _retest(side: str, change: Callable[[list[Json]], object]) -> Lie:
    def lie(forger: Forger) -> None:
        said = orjson.loads(forger.path(layout.MEASURES).read_bytes())
        change(said["gates"][1]["self_test"][side])
        forger.path(layout.MEASURES).write_bytes(canonical_json(said) + b"\n")
        forger.sign()

    return lie


def _list_statements() -> Iterator[AgreedLie]:
    for version in ("1.0 (certified)", "", "1.0\u202e", "v1"):
        name = f"statement made anew: the version {version!r}"
        yield AgreedLie(name, _sign_version(version), "the version of synth_stack is none", single=True)


def _sign_version(version: str) -> Lie:
    return lambda forger: forger.sign({"synth_stack": version})


def remake(draw: int, change: Callable[[Json], object]) -> Lie:
    """An accepted row changed, with its digest and id, and what its record repeats of it; all signed."""

    def lie(forger: Forger) -> None:
        records = forger.read_records()
        record = records[draw]

        def edit(rows: list[Json]) -> None:
            row = next(row for row in rows if row["row_id"] == record["row_id"])
            change(row)
            digest = digest_bytes(canonical_row({name: row[name] for name in CANDIDATE_SCHEMA.names}))
            row["row_id"] = digest[:32]
            record.update({name: row[name] for name in ("kind", "slice", "locale", "failure")})
            record.update(row_id=digest[:32], row_sha256=digest)
            record["origin"].update({name: row[name] for name in record["origin"]})

        forger.edit_rows(DATA, edit)
        forger.put_records(records)
        forger.derive()

    return lie


def _record(draw: int, change: Callable[[Json], object]) -> Lie:
    def lie(forger: Forger) -> None:
        records = forger.read_records()
        change(records[draw])
        forger.put_records(records)
        forger.sign()

    return lie


def _lock(name: str, change: Callable[[Json], object]) -> Lie:
    from synth_stack.errors import SynthStackError

    def lie(forger: Forger) -> None:
        forger.change_lock(name, change)
        try:
            forger.derive()
        except SynthStackError:  # nothing follows from what is no lock
            forger.sign()

    return lie


def _relock(name: str, change: Callable[[bytes], bytes]) -> Lie:
    """Other bytes of a lock that say the same, and their digest in every record."""

    def lie(forger: Forger) -> None:
        forger.edit(name, change)
        key = "recipe_sha256" if name == layout.RECIPE else "gates_sha256"
        records = forger.read_records()
        for record in records:
            record["context"][key] = digest_file(forger.path(name))
        forger.put_records(records)
        forger.derive()

    return lie


def _move_dial(threshold: str) -> Lie:
    def lie(forger: Forger) -> None:
        forger.change_lock(
            layout.GATES, lambda lock: lock["gates"][0]["dials"][0].update(threshold=threshold)
        )
        records = forger.read_records()
        for verdict in _each_verdict(records):
            if verdict["gate"] == "dedup" and verdict["threshold"] is not None:
                verdict["threshold"] = threshold
        forger.put_records(records)
        forger.derive()

    return lie


def _each_verdict(records: Sequence[Json]) -> Iterator[Json]:
    for record in records:
        yield from record["verdicts"]


def _sign_edit(name: str, old: bytes, new: bytes) -> Lie:
    def lie(forger: Forger) -> None:
        forger.edit(name, lambda data: data.replace(old, new, 1))
        forger.sign()

    return lie


def _note(name: str, notes: dict[str, str]) -> Lie:
    def lie(forger: Forger) -> None:
        path = forger.path(name)
        write_packed(path, pq.read_table(path).replace_schema_metadata(notes))
        forger.derive()

    return lie


def _repack(pack: Callable[[bytes], bytes]) -> Lie:
    def lie(forger: Forger) -> None:
        forger.edit(LINES, lambda data: pack(gzip.decompress(data)))
        forger.sign()

    return lie


def _gzip(data: bytes, filename: str = "", mtime: int = 0) -> bytes:
    target = io.BytesIO()
    with gzip.GzipFile(filename, "wb", 3, target, mtime=mtime) as file:
        file.write(data)
    return target.getvalue()


def _say(content: str) -> Json:
    fields = ("reasoning", "tool_calls", "tool_call_id", "name", "finish")
    return {"role": "user", "content": content, **dict.fromkeys(fields)}


_IMAGE: dict[str, Any] = {
    "path": "x.png",
    "sha256": "a" * 64,
    "mime": "image/png",
    "role": "result",
    "pixels_sha256": None,
    "width": 1,
    "height": 1,
}
