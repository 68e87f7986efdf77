from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.models import token_table
from synth_stack.models.token_table import TokenTable

texts = st.lists(st.text("ab é\n中", max_size=12), max_size=8)


def encode(words: Sequence[str]) -> list[list[int]]:
    """A token a character, and a mark in the place of each space, as SentencePiece has it."""
    return [[0, *(ord(c) if c != " " else 0 for c in word)] for word in words]


@given(texts, texts)
def test_the_tokens_of_a_text_are_those_of_its_words(first: list[str], second: list[str]) -> None:
    table = TokenTable(encode)
    for said in (first, second, first):
        tokens = table.read(said).tokens
        rows = [
            tokens.values[a:b].tolist() for a, b in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True)
        ]
        assert rows == [ids if text else [] for text, (ids) in zip(said, encode(said), strict=True)]


def test_a_word_is_tokenised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(words: Sequence[str]) -> list[list[int]]:
        asked.extend(words)
        return encode(words)

    table = TokenTable(note)
    for _ in range(3):
        table.read(["a b", "b c"])
    assert sorted(asked) == ["a", "b", "c"]
    monkeypatch.setattr(token_table, "_KEPT_WORDS", 2)
    assert len(table.read(["a d"]).codes) == 4
    assert sorted(asked) == ["a", "a", "b", "c", "d"]
