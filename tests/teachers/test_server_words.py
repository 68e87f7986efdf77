"""The sentence of a server is shown without addresses and keys."""

import pytest

from synth_stack.teachers.server_words import MAX_CHARS, clean_sentence, read_sentence, suggest_setting


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"error": {"message": "No such model."}}', "No such model."),
        (b'{"error": "model not found"}', "model not found"),
        (b'{"detail": [{"msg": "field required"}]}', "field required"),
        (b'{"message": "slow down"}', "slow down"),
        (b"upstream connect error", "upstream connect error"),
        (b"<html><h1>502</h1></html>", None),
        (b"", None),
        (b"{" * 50_000, None),
        (b'{"error": {}}', None),
    ],
)
def test_the_message_of_an_error_body_is_found(body: bytes, sentence: str | None) -> None:
    assert read_sentence(body) == sentence


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Incorrect API key provided: sk-proj-abc123def456.", "Incorrect API key provided: [key]"),
        ("see https://platform.example.com/account?k=1 now", "see [address] now"),
        ("connect to 10.1.2.3:8000 failed", "connect to [address] failed"),
        ("host gpu1.lab:9000 is busy", "host [address] is busy"),
        ("Bearer abcdef rejected", "[key] rejected"),
        ("org 0123456789abcdef0123456789abcdef is over", "org [key] is over"),
        ("two\nlines\x1b[31m\u202e", "two lines [31m"),
        ("use max_completion_tokens and not max_tokens", None),
        ("model qwen2.5-7b-instruct at temperature 0.7", None),
    ],
)
def test_addresses_keys_and_control_characters_are_not_shown(text: str, shown: str | None) -> None:
    assert clean_sentence(text) == (text if shown is None else shown)


def test_the_key_that_was_sent_is_cut_out_and_a_long_sentence_is_cut_short() -> None:
    assert clean_sentence("you sent hunter2", "hunter2") == "you sent [key]"
    assert len(clean_sentence("word " * 1_000) or "") <= MAX_CHARS + 4


def test_a_setting_is_named_for_what_a_server_speaks_of() -> None:
    said = "Use 'max_completion_tokens' instead."
    assert suggest_setting(said) == "Set teacher.limit_field: max_completion_tokens."
    assert suggest_setting("It is Monday.") is None
