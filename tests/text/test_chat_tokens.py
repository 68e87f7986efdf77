import re

import polars as pl
import pytest

from synth_stack.text import chat_tokens as tokens

PATTERNS = {
    "format": tokens.FORMAT_TOKENS,
    "sentence": tokens.SENTENCE_TOKENS,
    "own": tokens.OWN_LABELS,
    "other": tokens.OTHER_LABELS,
    "end": tokens.END_MARKERS,
    "reasoning": tokens.REASONING,
}
LEAKS = [
    ("format", "Yes.<|im_end|>"),
    ("format", "<|start_header_id|>user<|end_header_id|>"),
    ("format", "so [/INST] it is"),
    ("format", "<<SYS>>"),
    ("format", "<start_of_turn>model"),
    ("format", "<｜end▁of▁sentence｜>"),
    ("format", "It is.\n### Response:\nYes."),
    ("format", "[gMASK]"),
    ("sentence", "It is so.</s>"),
    ("sentence", "<s> It is so."),
    ("own", "ASSISTANT: It is so."),
    ("other", "It is so.\nUSER: And why?"),
    ("end", "It is so.\n###eos_token###"),
    ("end", "It is so. [END OF TEXT]"),
    ("end", "It is so.<eos>"),
    ("end", "It is so. ##EOS##"),
    ("end", "It is so. {{end_of_answer}}"),
    ("end", "It is so.\n[DONE]"),
    ("end", "It is so.\n--- END ---"),
    ("end", "It is so.\n### End"),
    ("reasoning", "<think>So.</think>It is."),
    ("reasoning", "[THINK]So."),
    ("reasoning", "</reasoning>"),
]
INNOCENT = [
    "a <| b |> c", "x < y > z", "<div><s>old</s> new</div>", "The End", "*The end*", "Then you **stop**",
    "-----END CERTIFICATE-----", "\\end{document}", "[1]", "(end)", "# Response", "The user: me", "I think so.",
    "if x: end", "[INSTALL]", "Human rights: all", "an <em>end</em>", "SELECT 1; END;", "<end>?",
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), LEAKS)
def test_a_leak_is_found_by_both_engines(name: str, text: str) -> None:
    assert re.search(PATTERNS[name], text)
    assert pl.Series([text]).str.contains(PATTERNS[name]).all()


@pytest.mark.parametrize("text", INNOCENT)
def test_what_only_looks_like_one_is_left_alone(text: str) -> None:
    assert {name for name, pattern in PATTERNS.items() if re.search(pattern, text)} == set()
    assert not any(pl.Series([text]).str.contains(pattern).any() for pattern in PATTERNS.values())


def test_every_leak_but_labels_and_ends_has_a_hint() -> None:
    texts = pl.Series([text for name, text in LEAKS if name in {"format", "sentence", "reasoning"}])
    assert texts.str.contains_any(list(tokens.HINTS), ascii_case_insensitive=True).all()
