"""Ids of reviewers: the same person has the same one, and nobody finds the person without the key."""

import hashlib
import hmac
import stat
from pathlib import Path

import pytest

from synth_stack.errors import ConfigError
from synth_stack.review.reviewers import (
    KEY_CHECK,
    KEY_VARIABLE,
    is_reviewer_id,
    keep_key,
    load_or_make_key,
    read_key_for,
    reviewer_id,
)

KEY = bytes(32)


def test_an_id_is_the_hmac_of_the_name_under_the_key() -> None:
    expected = hmac.new(KEY, b"reviewer\0anna@example.com", hashlib.sha256).hexdigest()
    assert reviewer_id("anna@example.com", KEY) == expected
    assert is_reviewer_id(expected)
    assert not is_reviewer_id("anna@example.com")


@pytest.mark.parametrize("name", [" Anna@Example.com ", "ANNA@EXAMPLE.COM", "ａnna@example.com"])
def test_case_space_and_the_way_a_letter_is_written_do_not_make_another_person(name: str) -> None:
    assert reviewer_id(name, KEY) == reviewer_id("anna@example.com", KEY)


def test_another_key_gives_another_id() -> None:
    assert reviewer_id("anna", KEY) != reviewer_id("anna", bytes([1] * 32))


@pytest.mark.parametrize("name", ["", "   ", "x" * 321])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="a reviewer needs a name"):
        reviewer_id(name, KEY)


def test_a_key_is_made_on_first_use_for_its_owner_alone_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "review.key"
    key = load_or_make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(key) == 32
    assert load_or_make_key(path) == key
    assert [p.name for p in path.parent.iterdir()] == ["review.key"]


def test_a_key_that_others_can_read_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    path = tmp_path / "review.key"
    load_or_make_key(path)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        load_or_make_key(path)


def test_a_file_that_holds_no_key_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "review.key"
    path.write_text("hello\n")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="holds no key"):
        load_or_make_key(path)
    assert path.read_text() == "hello\n"


def test_a_key_inside_the_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stands inside the run"):
        load_or_make_key(tmp_path / "run" / "review.key", outside=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_key_lies_where_the_variable_says_else_beside_other_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    load_or_make_key()
    assert (tmp_path / "config" / "synth_stack" / "review.key").is_file()
    monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / "mine.key"))
    load_or_make_key()
    assert (tmp_path / "mine.key").is_file()


def test_a_run_stays_with_the_key_that_its_first_ids_were_made_with(tmp_path: Path) -> None:
    run, mine, other = tmp_path / "run", tmp_path / "mine.key", tmp_path / "other.key"
    run.mkdir()
    key = read_key_for(run, mine)
    assert not list(run.iterdir())
    keep_key(run, key)
    keep_key(run, load_or_make_key(other))
    assert read_key_for(run, mine) == key
    assert mine.read_text().strip() not in (run / KEY_CHECK).read_text()
    with pytest.raises(ConfigError, match="under another key") as caught:
        read_key_for(run, other)
    assert "Bring the key file" in str(caught.value)


def test_a_machine_that_joins_a_review_makes_no_key_of_its_own(tmp_path: Path) -> None:
    run, absent = tmp_path / "run", tmp_path / "absent.key"
    run.mkdir()
    keep_key(run, load_or_make_key(tmp_path / "mine.key"))
    with pytest.raises(ConfigError, match="a key that is not here"):
        read_key_for(run, absent)
    assert not absent.exists()


@pytest.mark.parametrize("text", [b"", b"\xff\x00", b"ABC", b"0" * 100_000])
def test_a_check_value_that_is_none_is_named(text: bytes, tmp_path: Path) -> None:
    (tmp_path / KEY_CHECK).parent.mkdir()
    (tmp_path / KEY_CHECK).write_bytes(text)
    with pytest.raises(ConfigError, match="no check value"):
        read_key_for(tmp_path, tmp_path / "mine.key")
