"""Example rows on the dataset card: short, as plain text, and without what looks like a secret.

A row is a stranger's text. It stands in fenced blocks, which nothing in it can close, so that no markup in
it is read. What might be a key, an address or a number of a person is masked: the row in data/ has it, a page
that search engines read need not.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from synth_stack.packs.card.markdown import code, fence
from synth_stack.packs.data_figures import EXAMPLES

MAX_MESSAGES = 6
MAX_CHARS = 600
"""Of one message: what a reader takes in at a glance, and so 3 rows take at most some 11 kB."""
MASK = "[masked]"

_SECRETS = re.compile(
    r"-----BEGIN [A-Z ]{0,40}-----[\s\S]*?(?:-----END [A-Z ]{0,40}-----|\Z)"
    r"|[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
    r"|\b[a-z][a-z0-9+.-]{1,20}://[^\s/@]{1,200}@\S*"
    r"|(?i:\b(?:api[_-]?key|secret|token|passw(?:or)?d|bearer)\b\W{1,4}\S{4,})"
    r"|(?<![\w-])(?=[\w+/=.-]*\d)(?=[\w+/=.-]*[A-Za-z])[\w+/=.-]{20,}"
    r"|(?<![\w.])\+?\d(?:[ ().-]{0,2}\d){7,}(?![\w])"
    r"|(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])",
)
"""Keys in PEM, e-mail addresses, addresses with a user, words beside "password", long runs of letters and
digits, numbers of at least eight digits, and IP addresses. Too much is masked rather than too little."""
_SCANNED = 4 * MAX_CHARS
"""Characters that are looked at: more cannot be shown."""


def render_examples(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The section's paragraphs; none where no row is shown."""
    if not rows:
        return []
    intro = (
        f"The rows of the `train` split with the {EXAMPLES} smallest ids, which are digests: nobody chose "
        f"them for what they say. Messages are cut after {MAX_CHARS} characters, and what looks like a "
        f"secret or a person's number is {code(MASK)} here."
    )
    return ["## Example rows", intro, *(part for row in rows for part in _render_row(row))]


def mask(text: str) -> str:
    """`text` cut to MAX_CHARS, with what looks like a secret masked."""
    scanned = text if len(text) <= _SCANNED else re.sub(r"\S*\Z", "", text[:_SCANNED])
    masked = _SECRETS.sub(MASK, scanned)
    return masked if len(masked) <= MAX_CHARS else f"{masked[: MAX_CHARS - 1]}…"


def _render_row(row: Mapping[str, Any]) -> Iterator[str]:
    said = [code(row["kind"]), *(code(row[name]) for name in ("slice", "locale") if row[name])]
    yield f"Row {code(row['row_id'])}: {', '.join(said)}"
    blocks = list(_list_messages(row))
    if not blocks:
        blocks = [("text", row["text"] or "")]
    yield "\n\n".join(f"{code(name)}\n\n{fence(mask(text), 'text')}" for name, text in blocks[:MAX_MESSAGES])
    if len(blocks) > MAX_MESSAGES:
        yield f"And {len(blocks) - MAX_MESSAGES:,} more."


def _list_messages(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Who says what, in the row and in each alternative; calls of tools by name."""
    yield from _list_said(row["messages"] or ())
    for alternative in row["alternatives"] or ():
        for who, text in _list_said(alternative["messages"] or ()):
            yield f"{alternative['label'] or 'alternative'}: {who}", text


def _list_said(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for message in messages:
        if message["content"]:
            yield message["role"], message["content"]
        for call in message["tool_calls"] or ():
            yield f"{message['role']} calls {call['name']}", call["arguments"] or ""
