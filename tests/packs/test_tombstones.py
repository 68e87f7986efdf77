"""Lists of tombstones: append-only, by one key, and the rows that they meet."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from synth_stack.errors import ConfigError, VerificationError
from synth_stack.files import read_table
from synth_stack.packs.tombstones import find_withdrawn, open_revocations, revoke
from synth_stack.packs.verify_pack import Tombstone, Withdrawal
from tests.packs.judged_run import TEMPLATE_ID, build_pack
from tests.packs.shaped_pack import build_shaped_pack
from tests.packs.withdrawn_pack import WHEN, withdraw


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_pack(tmp_path_factory.mktemp("pack"))


def select(**chosen: tuple[str, ...]) -> list[Tombstone]:
    return [Tombstone(0, "", "", "", chosen)]


def test_a_list_grows_by_signed_entries_that_name_the_one_before(tmp_path: Path) -> None:
    withdraw(tmp_path, seed=["seed-1"])
    first = (tmp_path / "revoked.jsonl").read_bytes()
    path = withdraw(tmp_path, row=["a" * 32], teacher=["parrot"])
    found = open_revocations(path)
    assert found.data.startswith(first)
    assert [told.sequence for told in found.tombstones] == [0, 1]
    assert found.tombstones[1].select == {"row": ("a" * 32,), "teacher": ("parrot",)}
    assert (found.tombstones[0].who, found.tombstones[0].when) == ("Data desk", "2026-11-30T05:00:00Z")


def change(position: int, text: bytes, other: bytes) -> Callable[[list[bytes]], object]:
    def edit(lines: list[bytes]) -> None:
        assert text in lines[position]
        lines[position] = lines[position].replace(text, other)

    return edit


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda lines: lines.pop(1), "does not go on"),
        (lambda lines: lines.reverse(), "no list|line 1|canonical"),
        (lambda lines: lines.insert(1, lines[2]), "does not go on"),
        (lambda lines: lines.append(b"{}"), "envelope"),
        (change(1, b'"sig":"', b'"sig":"AAAA'), "signature|envelope|base64"),
        (change(1, b'"payload":"ey', b'"payload":"eY'), "signature|JSON|canonical"),
        (change(0, b"revocation/v1", b"revocation/v2"), "no list"),
        (change(1, b"revocation+json", b"in-toto+json"), "payload type"),
    ],
)
def test_an_altered_list_is_refused(tmp_path: Path, edit: Callable[[list[bytes]], object], says: str) -> None:
    path = withdraw(tmp_path, seed=["seed-1"])
    withdraw(tmp_path, seed=["seed-2"])
    lines = path.read_bytes().splitlines()
    edit(lines)
    path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(VerificationError, match=says):
        open_revocations(path)


def test_a_torn_list_and_one_of_another_key_are_refused(tmp_path: Path) -> None:
    path = withdraw(tmp_path, seed=["seed-1"])
    with pytest.raises(VerificationError, match="another key"):
        open_revocations(path, "0" * 64)
    with pytest.raises(VerificationError, match="another key"):
        revoke(path, {"seed": ["x"]}, who="a", why="b", key_path=tmp_path / "other.pem")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(VerificationError, match="torn"):
        open_revocations(path)
    with pytest.raises(ConfigError, match="no list"):
        open_revocations(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("chosen", "who", "why"),
    [
        ({}, "a", "b"),
        ({"row": ["abc"]}, "a", "b"),
        ({"eval_item": ["set"]}, "a", "b"),
        ({"seed": ["\x1b[1m"]}, "a", "b"),
        ({"planet": ["x"]}, "a", "b"),
        ({"seed": ["x"]}, " ", "b"),
        ({"seed": ["x"]}, "a", "two\nlines"),
    ],
)
def test_what_no_list_can_say_is_refused(
    tmp_path: Path, chosen: dict[str, list[str]], who: str, why: str
) -> None:
    with pytest.raises(ConfigError):
        revoke(tmp_path / "list", chosen, who=who, why=why, when=WHEN, key_path=tmp_path / "key.pem")
    assert not (tmp_path / "list").exists()


@pytest.mark.parametrize(
    ("chosen", "rows"),
    [
        ({"seed": ("seed-000003",)}, 2),
        ({"template": (TEMPLATE_ID,)}, 9),
        ({"template": (TEMPLATE_ID.partition("@")[0],)}, 9),
        ({"teacher": ("parrot",)}, 9),
        ({"teacher": ("sha256:" + "d" * 64,)}, 9),
        ({"template": ("mess",), "teacher": ("par",), "seed": ("seed",), "document": ("x",)}, 0),
    ],
)
def test_selectors_meet_the_accepted_rows_that_they_name(
    pack: Path, chosen: dict[str, tuple[str, ...]], rows: int
) -> None:
    assert len(find_withdrawn([pack], select(**chosen))[pack]) == rows


def test_rows_that_came_from_a_withdrawn_one_go_too_across_packs(tmp_path: Path) -> None:
    made = {"kind": "foreign", "generator": "x", "generator_version": "1", "replayable": False}
    base = {**made, "attachments": [], "extra": "{}"}

    def row(draw: int, **fields: object) -> dict[str, object]:
        said = f"Tell me about case {draw}, please: what happened, and when did it happen?"
        turns = [
            {"role": "user", "content": said},
            {"role": "assistant", "content": f"It broke on day {draw}."},
        ]
        return {**base, "draw": draw, "text": said, "messages": turns, **fields}

    first = build_shaped_pack(
        tmp_path / "a",
        [row(0, documents=[{"id": "doc#1", "title": "t", "text": "t", "source": None}]), row(1)],
    )
    ids = read_table(first / "lineage" / "records-00000.parquet")["row_id"].to_pylist()
    second = build_shaped_pack(tmp_path / "b", [row(2, source_id=ids[0]), row(3, seed_id=ids[1]), row(4)])
    third_parent = read_table(second / "lineage" / "records-00000.parquet")["row_id"].to_pylist()[0]
    third = build_shaped_pack(tmp_path / "c", [row(5, parent_id=third_parent)])
    found = find_withdrawn([third, second, first], select(document=("doc#1",)))
    assert found[first] == {ids[0]: "document"}
    assert list(found[second].values()) == ["descendant"]
    assert list(found[third].values()) == ["descendant"]
    assert len(find_withdrawn([second], select(row=(ids[1],)))[second]) == 1


def test_rows_of_an_eval_item_are_met(tmp_path: Path) -> None:
    verdict = {"cites": {"eval_set": "mmlu", "item": "7"}}
    origin = dict.fromkeys(
        ["seed_id", "parent_id", "source_id", "template_id", "teacher", "teacher_digest", "models"]
    )
    record = {"row_id": "a" * 32, "origin": origin, "verdicts": [verdict], "decision": {"decision": "held"}}
    found = Withdrawal(select(eval_item=("mmlu:7",)))
    found.add(orjson.loads(orjson.dumps(record)))
    assert found.find_causes() == {"a" * 32: "eval_item"}
    assert found.find_accepted() == {}
