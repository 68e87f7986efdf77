"""Lies about withdrawn rows, signed by whoever holds the key, found by both verifiers."""

import base64
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from synth_stack.lineage.merkle import leaf_hash
from synth_stack.lineage.sign import load_or_make_key, sign_payload
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.tombstones import open_revocations, revoke
from synth_stack.packs.verify.verify import inspect_pack
from synth_stack.rows.canonical import canonical_json, digest_bytes
from tests.packs.judged_run import REJECTED, read_predicate
from tests.packs.tampering.forge import DATA, Forger, build_base
from tests.packs.withdrawn_pack import issue_again, withdraw

Lie = Callable[[Forger], object]


@pytest.fixture(scope="session")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("again")
    build_base(folder)
    withdraw(folder, seed=["seed-000003"])
    withdraw(folder, teacher=["nobody"])
    return issue_again(folder)


def say(forger: Forger, **changes: Any) -> None:
    """Another claim of withdrawn rows in the statement, and all that follows from it."""
    said = read_predicate(forger.pack)[0]["withdrawn"]
    forger.sign({"withdrawn": {**said, **changes}})
    forger.derive()


def claim(**changes: Any) -> Lie:
    return lambda forger: say(forger, **changes)


def put_rows(change: Callable[[list[str], list[dict[str, Any]]], object]) -> Lie:
    """Another list of withdrawn rows, with the right number in the statement."""

    def lie(forger: Forger) -> None:
        value = orjson.loads(forger.path(layout.WITHDRAWN).read_bytes())
        change(value["rows"], forger.read_records())
        forger.path(layout.WITHDRAWN).write_bytes(canonical_json(value) + b"\n")
        say(forger, rows=len(value["rows"]))

    return lie


def put_list(change: Callable[[list[bytes]], object]) -> Lie:
    """Another list of tombstones, with its digest in the statement."""

    def lie(forger: Forger) -> None:
        lines = forger.path(layout.REVOKED).read_bytes().splitlines()
        change(lines)
        data = b"\n".join(lines) + b"\n"
        forger.path(layout.REVOKED).write_bytes(data)
        say(forger, list=digest_bytes(data), entries=len(lines) - 1)

    return lie


def put_tombstone(change: Callable[[dict[str, Any]], object], *, stranger: bool = False) -> Lie:
    """Another second tombstone, signed with the key, or with a `stranger`'s; the list goes on from it."""

    def lie(forger: Forger) -> None:
        key = load_or_make_key(forger.pack.parent / "stranger.pem" if stranger else forger.key)

        def sign(lines: list[bytes]) -> None:
            said = orjson.loads(base64.b64decode(orjson.loads(lines[2])["payload"]))
            change(said)
            lines[2] = sign_payload(canonical_json(said), key, verify_pack.REVOCATION_TYPE)

        put_list(sign)(forger)

    return lie


def date_tombstone(when: str) -> Lie:
    return put_tombstone(lambda said: said.update(when=when))


def put_strangers_list(forger: Forger) -> None:
    path = forger.path(layout.REVOKED)
    path.unlink()
    stranger = forger.pack.parent / "stranger.pem"
    revoke(path, {"seed": ["seed-000003"]}, who="Data desk", why="a request", key_path=stranger)
    data = path.read_bytes()
    say(forger, list=digest_bytes(data), entries=1)


def bring_rows_back(forger: Forger) -> None:
    shutil.copy(forger.key.parent / "pack" / DATA, forger.path(DATA))
    forger.derive()


def bring_seeds_back(forger: Forger) -> None:
    shutil.copytree(forger.key.parent / "pack" / "seeds", forger.path("seeds"))
    forger.derive()


def deny(forger: Forger) -> None:
    forger.sign({"withdrawn": None})
    forger.derive()


def deny_and_remove(forger: Forger) -> None:
    for name in (layout.REVOKED, layout.WITHDRAWN):
        forger.path(name).unlink()
    deny(forger)


def drop_second(lines: list[bytes]) -> None:
    del lines[1]


LIES: dict[str, tuple[Lie, str, bool]] = {
    "a withdrawn row is not listed": (put_rows(lambda rows, _: rows.pop()), "is not in it", True),
    "a row is listed that nobody withdrew": (
        put_rows(lambda rows, records: rows.insert(0, records[0]["row_id"])),
        "no tombstone",
        True,
    ),
    "a rejected row is listed": (
        put_rows(lambda rows, records: rows.insert(0, records[REJECTED[0]]["row_id"])),
        "not accepted rows",
        True,
    ),
    "an unknown row is listed": (put_rows(lambda rows, _: rows.append("f" * 32)), "not accepted rows", True),
    "a row is listed twice": (put_rows(lambda rows, _: rows.append(rows[0])), "stands there twice", True),
    "no row id is listed": (put_rows(lambda rows, _: rows.append("x")), "is none", True),
    "rows are listed in another order": (put_rows(lambda rows, _: rows.reverse()), "in their order", True),
    "another number of rows": (claim(rows=1), "as many rows as were signed", True),
    "another number of tombstones": (claim(entries=1), "another list", True),
    "another list": (claim(list="0" * 64), "another list", True),
    "no earlier statement": (claim(statement="none"), "withdrawn rows is none", True),
    "a further word": (claim(more=1), "withdrawn rows is none", True),
    "the first tombstone is gone": (put_list(drop_second), "does not go on", True),
    "all tombstones are gone": (put_list(lambda lines: lines.__delitem__(slice(1, 3))), "no tombstone", True),
    "the tombstones change places": (put_list(lambda lines: lines.insert(1, lines.pop())), "go on", True),
    "a list by another key": (put_strangers_list, "another key", True),
    "a torn list": (put_list(lambda lines: lines.append(b"{")), "JSON", True),
    "nothing was withdrawn": (deny, "nothing was withdrawn", True),
    "nothing was withdrawn, and no list": (deny_and_remove, "seeds/seeds.parquet is missing", False),
    "withdrawn rows are back": (bring_rows_back, "train split|is not the row|stands where", False),
    "withdrawn seeds are back": (bring_seeds_back, "seeds/", True),
}

TIMES = (
    "",
    "yesterday",
    "2026-11-30",
    "2026-11-30T05:00:00",
    "2026-11-30T05:00:00+01:00",
    "2026-11-30 05:00:00Z",
)
FALSE_TIMES = ("2026-02-30T05:00:00Z", "2026-13-01T05:00:00Z", "2027-02-29T05:00:00Z", "1900-02-29T05:00:00Z")
LIES |= {
    f"a tombstone of the time {time!r}": (
        date_tombstone(time),
        "of no time",
        True,
    )
    for time in (*TIMES, *FALSE_TIMES, "2026-11-31T05:00:00Z", "2026-11-30T24:00:00Z", "2026-11-30T23:59:60Z")
} | {
    "a tombstone without a time": (put_tombstone(lambda said: said.pop("when")), "tombstone 1 is none", True),
    "a tombstone whose time is a number": (
        put_tombstone(lambda said: said.update(when=1796014800)),
        "tombstone 1 is none",
        True,
    ),
    "a tombstone by nobody": (put_tombstone(lambda said: said.update(who=" ")), "who withdraws", True),
    "a tombstone in two lines": (put_tombstone(lambda said: said.update(why="a\nb")), "in one line", True),
    "a tombstone of another number": (put_tombstone(lambda said: said.update(sequence=0)), "go on", True),
    "a tombstone after another one": (
        put_tombstone(lambda said: said.update(previous="0" * 64)),
        "go on",
        True,
    ),
    "a tombstone that selects nothing": (put_tombstone(lambda said: said.update(select={})), "nothing", True),
    "a tombstone by another selector": (
        put_tombstone(lambda said: said.update(select={"words": ["x"]})),
        "no list selects by",
        True,
    ),
    "a tombstone of a row that cannot be": (
        put_tombstone(lambda said: said.update(select={"row": ["x"]})),
        "cannot be",
        True,
    ),
    "a tombstone that says more": (put_tombstone(lambda said: said.update(note="x")), "is none", True),
    "a tombstone by a stranger": (put_tombstone(lambda said: None, stranger=True), "another key", True),
    "a tombstone that stands twice": (put_list(lambda lines: lines.append(lines[-1])), "go on", True),
}


def test_nobody_lied(again: Path, tmp_path: Path) -> None:
    forger = Forger(again, tmp_path)
    forger.derive()
    assert inspect_pack(forger.pack).problems == ()
    assert verify_pack.inspect(forger.pack).problems == []
    named = read_predicate(forger.pack)[0]["withdrawn"]
    assert named["list"] == open_revocations(forger.path(layout.REVOKED)).sha256
    assert len(bytes.fromhex(named["statement"])) == len(leaf_hash(b""))


@pytest.mark.parametrize("name", LIES)
def test_a_lie_about_withdrawn_rows_is_found(again: Path, tmp_path: Path, name: str) -> None:
    lie, says, single = LIES[name]
    forger = Forger(again, tmp_path)
    lie(forger)
    problems = [str(problem) for problem in inspect_pack(forger.pack).problems]
    assert any(re.search(says, problem) for problem in problems), problems
    if single:
        assert verify_pack.inspect(forger.pack).problems, problems


@pytest.mark.parametrize("time", ["2028-02-29T05:00:00Z", "2000-02-29T23:59:59Z", "2026-12-31T00:00:00Z"])
def test_a_time_that_there_is_is_believed(again: Path, tmp_path: Path, time: str) -> None:
    forger = Forger(again, tmp_path)
    date_tombstone(time)(forger)
    assert inspect_pack(forger.pack).problems == ()
    assert verify_pack.inspect(forger.pack).problems == []


@pytest.mark.parametrize("name", [layout.REVOKED, layout.WITHDRAWN])
def test_a_changed_byte_is_found(again: Path, tmp_path: Path, name: str) -> None:
    forger = Forger(again, tmp_path)
    forger.edit(name, lambda data: data[:-2] + b"x\n")
    assert any(name in str(problem) for problem in inspect_pack(forger.pack).problems)
    assert any(name in str(problem) for problem in verify_pack.inspect(forger.pack).problems)
