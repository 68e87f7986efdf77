"""By which reason class the structure gate has to catch each kind of its canaries."""

from collections.abc import Mapping

SWITCHES: Mapping[str, str] = {
    **dict.fromkeys(("open_fence", "finish", "cut_code"), "cut_off"),
    "other_speaker": "chat_tokens",
    "bare_reasoning": "reasoning_block",
    "sentence_token": "end_marker",
    **dict.fromkeys(("misread", "lost_chinese"), "mojibake"),
    "refusal_abroad": "refusal",
    "sign_loop": "repetition",
}
"""The parameter that switches a kind off, where it has another name."""

_CLASSES = {
    **SWITCHES,
    "emptiness": "empty_answer",
    "roles": "wrong_roles",
    "open_end": "wrong_roles",
    "lost_call": "unmatched_tool_result",
    "lost_result": "unanswered_tool_call",
    "torn_arguments": "bad_tool_call",
}
_KINDS = """cut_off open_fence cut_code finish no_final_punctuation chat_tokens other_speaker end_marker
    sentence_token reasoning_block bare_reasoning misread lost_chinese mojibake broken_characters too_long
    refusal refusal_abroad self_reference placeholder repetition sign_loop wrong_language
    roles open_end emptiness lost_content misplaced_reasoning lost_call lost_result torn_arguments
    equal_sides missing_side""".split()
CAUGHT_AS: Mapping[str, tuple[str, ...]] = {
    **{kind: (f"structure.{_CLASSES.get(kind, kind)}",) for kind in _KINDS},
    "lost_content": ("structure.unreadable_text", "structure.empty_answer"),
    **{
        kind: (f"structure.{_CLASSES.get(kind, kind)}", "structure.wrong_language")
        for kind in ("no_final_punctuation", "refusal", "refusal_abroad", "self_reference")
    },
}
"""The reason class that catches each kind: what another check turns away shows nothing of its own. An answer
without content is reasoning alone where it reasons, and so an empty one. Kinds that answer in words of ours
are in another language than some rows, or than the file wants, and that may be what is said of them.
"""


def name_classes(*, mojibake: str | None) -> Mapping[str, tuple[str, ...]]:
    """CAUGHT_AS of a gate that does so with what was decoded wrongly. Where that is held and another language
    is rejected, what was misread from another script is rejected as being of one.
    """
    if mojibake != "hold":
        return CAUGHT_AS
    misread = dict.fromkeys(("misread", "lost_chinese"), ("structure.mojibake", "structure.wrong_language"))
    return {**CAUGHT_AS, **misread}
