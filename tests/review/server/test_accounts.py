import json
from pathlib import Path

import pytest

from synth_stack.errors import ConfigError, StoreError
from synth_stack.review.server.accounts import ACCOUNTS, load_or_make_accounts, read_accounts


def test_a_first_start_makes_an_owner_and_annotators_with_passwords_of_their_own(tmp_path: Path) -> None:
    made = load_or_make_accounts(tmp_path, ["ann", "ben@example.org", "ann"])
    assert [(each.username, each.role) for each in made.accounts] == [
        ("owner", "owner"), ("ann", "annotator"), ("ben@example.org", "annotator"),
    ]  # fmt: skip
    assert len({each.password for each in made.accounts} | {each.api_key for each in made.accounts}) == 6
    assert made.new == made.accounts
    assert (tmp_path / ACCOUNTS).stat().st_mode & 0o777 == 0o600


def test_a_later_start_keeps_all_and_adds_who_is_new(tmp_path: Path) -> None:
    first = load_or_make_accounts(tmp_path, ["ann"])
    again = load_or_make_accounts(tmp_path)
    assert (again.accounts, again.new, again.signing_key) == (first.accounts, (), first.signing_key)
    more = load_or_make_accounts(tmp_path, ["ann", "ben"])
    assert [each.username for each in more.new] == ["ben"]
    assert more.accounts[:2] == first.accounts
    assert read_accounts(tmp_path) == load_or_make_accounts(tmp_path)


def test_without_names_there_are_three_reviewers(tmp_path: Path) -> None:
    names = [each.username for each in load_or_make_accounts(tmp_path).accounts]
    assert names == ["owner", "reviewer-1", "reviewer-2", "reviewer-3"]


@pytest.mark.parametrize("name", ["", "owner", "a b", "-x", "a/b", "x" * 101, "a\nb"])
def test_a_name_that_is_none_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="name"):
        load_or_make_accounts(tmp_path, [name])
    assert not (tmp_path / ACCOUNTS).exists()


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_or_make_accounts(tmp_path)
    (tmp_path / ACCOUNTS).chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_accounts(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"scheme": "x"}', '{"scheme": "synth_stack/argilla-accounts/v1"}']
)
def test_a_torn_file_is_an_error_that_says_what_to_do(tmp_path: Path, text: str) -> None:
    path = tmp_path / ACCOUNTS
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(StoreError, match="Remove it"):
        read_accounts(tmp_path)


def test_no_password_is_in_what_an_error_says(tmp_path: Path) -> None:
    made = load_or_make_accounts(tmp_path)
    value = json.loads((tmp_path / ACCOUNTS).read_text())
    del value["accounts"][0]["role"]
    (tmp_path / ACCOUNTS).write_text(json.dumps(value))
    with pytest.raises(StoreError) as caught:
        read_accounts(tmp_path)
    assert made.owner.password not in str(caught.value)
