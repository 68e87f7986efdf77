"""Who speaks in a turn: speaker labels, tokens of a chat format, and words that only the other side says.

The patterns are Rust's regular expressions, which take time in proportion to the text, whatever it is.
"""

from typing import TYPE_CHECKING

from synth_stack.text.chat_tokens import FORMAT_TOKENS

if TYPE_CHECKING:
    import polars as pl

_CUSTOMER = r"customer|user|human|client"
_AGENT = r"assistant|agent|ai|bot|chatbot|support agent|customer service(?: agent)?"
_SENTENCE_START = r"""(?:^|\n[\s>*_#-]*|[.!?…]["'”’)]*\s+[*_]*)"""
"""Where a label may be: at the beginning of a line, or after a sentence where lines were joined."""

_LABELS = {"user": _AGENT, "assistant": _CUSTOMER}
"""The labels of the other side, by who speaks."""

_AGENT_PHRASES = (
    r"how (?:can|may) i (?:help|assist) you|what can i (?:help|assist) you with"
    r"|is there anything else (?:that )?i can (?:help|assist|do for) "
    r"|i(?:'d| would) be (?:happy|glad|pleased) to (?:help|assist) you"
    r"|i(?:'m| am) (?:so |very )?sorry to hear (?:that you|about your)"
    r"|thank you for (?:contacting|reaching out to|choosing|shopping with) (?:us|our)\b"
    r"|(?:we|i) apologi[sz]e for (?:the|any) inconvenience"
    r"|(?:do not|don't) hesitate to ask|\b(?:that|which) you(?: have|'ve)? (?:bought|purchased)\b"
    r"|\bas an agent\b|\bas an ai\b|\bi(?:'m| am) an ai\b|\bas a (?:large )?language model\b"
)
_CUSTOMER_PHRASES = (
    r"\bi (?:have |'ve )?(?:ordered|bought|purchased) (?:the|a|an|my|this|it|your)\b"
    r"|\bmy (?:order|parcel|refund|warranty|delivery)\b(?: number)?(?: is| was| has| hasn't| still)\b"
    r"|\bwhen will i (?:get|receive)\b|\bcan i (?:get|have) my (?:money|refund)\b"
)
_PHRASES = {"user": _AGENT_PHRASES, "assistant": _CUSTOMER_PHRASES}
"""What the other side says, by who speaks."""

_OTHERS = {"user": "the assistant", "assistant": "the user"}
_APOSTROPHES = "[’‘`]"


def find_tokens(spoken: "pl.DataFrame") -> "pl.DataFrame":
    """Turns that hold the tokens of a chat format: `row`, `position`, `seen`, `reason`."""
    import polars as pl

    seen = pl.col("content").str.extract(f"({FORMAT_TOKENS})", 1)
    return _report(spoken, seen, pl.lit("chat-format tokens: a turn holds what belongs between turns"))


def find_labels(spoken: "pl.DataFrame") -> "pl.DataFrame":
    """Turns that go on as the other side, by its label: "Customer: and when?" in an answer."""
    import polars as pl

    found = []
    for role, labels in _LABELS.items():
        seen = pl.col("content").str.extract(rf"(?i){_SENTENCE_START}((?:{labels}) ?[0-9]*:[*_]*)\s", 1)
        reason = pl.lit(f"answers itself: a turn of the {role} goes on as {_OTHERS[role]}")
        found.append(_report(spoken.filter(pl.col("role") == role), seen, reason))
    return pl.concat(found)


def find_phrases(spoken: "pl.DataFrame") -> "pl.DataFrame":
    """Turns in which one side says what only the other says: "How can I help you?" from a customer."""
    import polars as pl

    found = []
    for role, phrases in _PHRASES.items():
        plain = pl.col("content").str.replace_all(_APOSTROPHES, "'")
        seen = plain.str.extract(f"(?i)({phrases})", 1)
        reason = pl.lit(f"speaks as {_OTHERS[role]}: a turn of the {role} does")
        found.append(_report(spoken.filter(pl.col("role") == role), seen, reason))
    return pl.concat(found)


def _report(spoken: "pl.DataFrame", seen: "pl.Expr", reason: "pl.Expr") -> "pl.DataFrame":
    import polars as pl

    return spoken.select("row", "position", seen=seen.str.strip_chars(), reason=reason).filter(
        pl.col("seen").is_not_null()
    )
