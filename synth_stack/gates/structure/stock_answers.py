"""Answers that say nothing of their own: refusals, an assistant that speaks of itself, and unfilled
placeholders.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from synth_stack.gates.structure.faults import Fault, list_faults, place_of
from synth_stack.gates.structure.prose import FENCED, INLINE, is_code
from synth_stack.gates.structure.reading import OWN, Rows, Rules, read_prompts
from synth_stack.gates.word_lists import read_sections

if TYPE_CHECKING:
    import polars as pl

_OPENING_CHARS = 240
"""A refusal opens an answer; what is refused further on is a part of it."""
_READ_CHARS = 4_000
_REFUSAL_HINTS = [
    *(
        "can't",
        "can’t",
        "canʼt",
        "cannot",
        "can not",
        "couldn",
        "won't",
        "won’t",
        "wonʼt",
        "will not",
        "able to",
        "not allowed",
    ),
    *(
        "not permitted",
        "not going to",
        "decline",
        "refuse",
        "must not",
        "shouldn",
        "not programmed",
        "not designed",
    ),
    *("not capable", "not have the", "n't have the", "n’t have the", "against", "for me to"),
]
_SELF_HINTS = [
    *(
        " an ai",
        " ai ",
        "artificial",
        "a.i.",
        "language model",
        "learning model",
        "virtual assistant",
        "chatbot",
    ),
    *(
        "chat bot",
        "computer program",
        "text-based",
        "cut-off",
        "cutoff",
        "cut off",
        "training data",
        "knowledge update",
    ),
    *(
        "my programming",
        "trained by",
        "created by",
        "developed by",
        "made by",
        "chatgpt",
        "语言模型",
        "人工智能",
        "一个ai",
    ),
    *(
        "言語モデル",
        "modelo de l",
        "inteligencia",
        "inteligência",
        "una ia",
        "que ia",
        "'ia",
        "intelligence art",
        "modèle de",
    ),
    *("als ki", "ein ki", "eine ki", "künstliche", "sprachmodell", "modello linguistico", "作为", "como ia"),
]
"""One of these is in every text in which the phrases find something: a sieve before the sieve."""
_STRAIGHT = str.maketrans({"\u2018": "'", "\u2019": "'", "\u02bc": "'"})

_REFUSAL_WANTED = re.compile(
    r"(?i)\b(?:refus(?:e|es|al|als|ing)|declin(?:e|es|ing)|reject(?:s|ing|ion)?|turn(?:ing)? (?:\w+ )?down"
    r"|say(?:ing)? no"
    r"|apolog(?:y|i[sz]e|etic|ies)|sorry|role-?play\w*|pretend|persona|act as|jailbreak\w*"
    r"|ignore (?:all|the|your|previous))\b"
    r"|\b(?:how (?:do|can|could|would|to|should)|make|build|create|write|generate|give|tell|help|show"
    r"|teach|explain|ways?|plan"
    r"|steps?|best|where)\b[^.?!\n]{0,80}\b(?:kill\w*|murder\w*|bombs?|explosives?|weapons?|guns?|hack(?:ing)?|malware"
    r"|ransomware|steal(?:ing)?|illegal\w*|meth|cocaine|heroin|suicide|self-harm|porn\w*|sexual\w*|nude\w*|rape\w*|racis\w*"
    r"|sexis\w*|nazi\w*|terroris\w*|hate speech|slurs?|insult\w*|phishing|scam\w*|fraud|counterfeit"
    r"|launder\w*|poison\w*"
    r"|torture|violence|stalk\w*|dox\w*|(?:dis|mis)information|propaganda|conspiracy)\b"
    r"|\b(?:kill (?:you|him|her|them|me|my)|rape|slut|whore|bitch|fuck\w*|nigg\w+|fagg\w+|ssn"
    r"|social security|credit card"
    r"|(?:home|street|e-?mail|ip)? ?address of|phone number|passwords?|private (?:data|information)"
    r"|personal (?:data|information))\b"
)
"""What a prompt speaks of when it asks for a refusal, or for what a refusal is right for."""
_ACT_WANTED = re.compile(
    r"(?i)\b(?:can|could|would|will) you (?:please |also |kindly |help me |maybe |just )*(?:book|order|buy"
    r"|purchase|reserve"
    r"|schedule|call|send|transfer|pay|play|turn|set|open|post|download|upload|remind|deliver|hire|cancel|check|search"
    r"|look up|track|arrange|make a (?:reservation|booking|call|payment))\b"
)
"""What a user asks an agent to do: which of it is beyond it, an agent has to say."""
_SELF_WANTED = re.compile(
    r"(?i)\b(?:are you|who are|what are you|you are|you're|your(?:self)? (?:name|opinions?|feelings?"
    r"|favou?rite|thoughts?"
    r"|views?|purpose|creators?|training|experiences?|life|day|preferences?|beliefs?|emotions?|limitations?|capabilit\w+"
    r"|knowledge|developers?|house|family|job|childhood|hobb\w+)|yourself|(?:do|did|would) you (?:think"
    r"|feel|like|believe"
    r"|prefer|dream|sleep|eat|exist|ever|enjoy|remember|know|understand|consider|say)|have you ever"
    r"|you (?:had|have had|would do|could face|won|felt|experienced|learned|faced|overcame)|a\.?i\.?"
    r"|artificial intelligence|language models?|chat ?bots?|chat ?gpt|gpt\S*|llms?|robots?"
    r"|assistants?|machine learning|neural)\b|你是|你叫|eres|tu nombre|bist du|es-tu|êtes-vous"
)
"""What a prompt speaks of when an assistant may speak of itself."""

_BLANK = (
    r"(?:your|my|name|first|last|full|company|customer|client|recipient|sender|employer|manager|employee|candidate|date"
    r"|address|city|state|zip|phone|e-?mail|title|position|job|product|service|brand|location|venue|number|amount|time"
    r"|day|month|year|link|url|website|placeholder|topic|subject|organi[sz]ation|school|university|hiring|contact"
    r"|specific|relevant|describe|x{2,3}|todo|tbd|(?:insert|enter|add|fill)(?=[\s_-](?:your|my|the|in|here|name|date"
    r"|specific|any|link|text|image|more|relevant|details?|company|number|title|location|topic)\b))"
)
_BRACED = (
    r"(?i:(?<![$/\w])\{(?:name|customer|user|company|product|topic|city|date|order|your)"
    r"(?:[_ ][\w ]{1,24})?\})"
)
_PLACEHOLDERS = re.compile(
    rf"(?i:\[{_BLANK}(?:[’'\s/,:_-][^\[\]\n]{{0,60}})?\](?!\())|(?i:<(?:insert|your|enter|add|fill|placeholder)\b[^<>\n]{{0,60}}>)"
    rf"|(?<!\$)\{{\{{\s*[A-Za-z_][\w .'-]{{0,40}}\s*\}}\}}|{_BRACED}"
    r"|(?i:\((?:insert|enter|add) [^()\n]{1,60}\))|(?i:\binsert (?:\w+ ){1,4}here\b)|(?i:\blorem ipsum\b)"
    r"|(?m:^[\s>*-]*(?:TODO|FIXME|TBD)\b)|\b(?:TODO|FIXME)(?:\(\w+\))?:"
)
"""What stands where a name or a text was to be filled in."""
_UNRENDERED = re.compile(r"(?<!\$)\{\{\s*[A-Za-z_][\w .'-]{0,40}\s*\}\}")
"""The placeholder that no user types but the author of a template."""
_FORM_WANTED = re.compile(
    r"(?i)\b(?:templates?|placeholders?|fill(?:ing|ed)? in|fill out|fill the|blanks?|lorem|ipsum"
    r"|dummy text|mad ?libs?|jinja\w*"
    r"|handlebars|mustache|django|angular|liquid|boilerplate|letters? (?:to|of|for)|e-?mails?|memos?"
    r"|invitations?|resum[eé]s?"
    r"|r[eé]sum[eé]s?|cover letter|press releases?|job (?:descriptions?|postings?|ads?)|introduce yourself)\b"
    r"|^\W{0,3}(?:messages?|letters?|replies|reply|notes?|texts?|speech) (?:to|for)\b"
    r"|\b(?:writ(?:e|ing|ten)|wrote|compos\w+|draft\w*|creat\w+|generat\w+|prepar\w+|design\w*|make|give|provide|edit|revise"
    r"|improve|respond|reply|come up with|develop|produce|formulate|craft|build|need|send\w*|example of"
    r"|sample)\b"
    r"[^.!?\n]{0,60}\b(?:letters?|invites?|forms|contracts?|agreements?|cvs?|speech\w*|announcements?|proposals?"
    r"|(?:a|an|the|thank you|birthday|greeting|business|invitation) cards?|adverts?|ads?|advertisements?"
    r"|flyers?"
    r"|toasts?|vows?|obituar\w*|certificates?|invoices?|testimonials?|petitions?|questionnaires?|surveys?"
    r"|agendas?|introductions?|bios?"
    r"|biograph\w+|web ?pages?|websites?|voicemail|notices?|complaints?|apolog\w*|pitch\w*|repl(?:y|ies)"
    r"|dialogues?|scripts?"
    r"|conversations?|messages?|(?:blog|linkedin|media|facebook|instagram) posts?|tweets?|reviews?"
    r"|slogans?)\b"
)
"""What a prompt asks for that legitimately leaves something to be filled in."""

_Find = Callable[[str, str, bool], tuple[str, str] | None]


def asks_for_stock(prompt: str) -> bool:
    """Whether a prompt asks for a refusal, for an act in the world, or for what an assistant is."""
    return any(pattern.search(prompt) for pattern in (_REFUSAL_WANTED, _ACT_WANTED, _SELF_WANTED))


def asks_for_form(prompt: str) -> bool:
    """Whether a prompt asks for what is to be filled in, or holds some of it."""
    return bool(_FORM_WANTED.search(prompt) or _PLACEHOLDERS.search(prompt))


def find_stock_answers(seen: Rows, rules: Rules) -> "pl.DataFrame":
    """Answers that refuse or speak of the assistant, where neither the row nor its kind asks for that.

    Rows of attacks, rows that say what is expected of their answer, and rows with tools, which teach when to
    say no, are left to the gates that know what is expected.
    """
    import polars as pl

    wanted = [what for what in ("refusal", "self_reference") if rules.outcomes.get(what)]
    if not wanted:
        return list_faults([])
    calling = seen.messages.filter((pl.col("role") == "tool") | (pl.col("calls") > 0)).select("row").unique()
    expects = pl.col("extra").str.contains('"expected_behaviour"', literal=True).fill_null(value=False)
    plain = seen.rows.filter((pl.col("kind") != "adversarial") & ~expects & ~pl.col("tooled")).select("row")
    plain = plain.join(calling, on="row", how="anti", maintain_order="left")
    text = pl.col("content").str.head(_READ_CHARS)
    answers = seen.messages.filter((pl.col("role") == "assistant") & pl.col("good") & (pl.col("calls") == 0))
    head = text.str.head(_OPENING_CHARS)
    told = answers.filter(
        head.str.contains_any(_REFUSAL_HINTS, ascii_case_insensitive=True)
        | text.str.contains_any(_SELF_HINTS, ascii_case_insensitive=True)
    )
    hinted = told.filter(
        head.str.contains(_sieve("flat refusal")) | text.str.contains(_sieve("self reference"))
    ).join(plain, on="row", how="semi", maintain_order="left")
    return _judge(seen, hinted.with_columns(text=text), wanted, _find_stock)


def find_placeholders(seen: Rows, rules: Rules) -> "pl.DataFrame":
    """Messages with something that was to be filled in, where no template, letter or code was asked for."""
    import polars as pl

    if not rules.outcomes.get("placeholder"):
        return list_faults([])
    text = pl.col("content")
    hinted = seen.messages.filter(
        pl.col("role").is_in(["user", "assistant"]) & pl.col("good") & text.str.contains(_HINT)
    )
    redacted = pl.col("extra").str.contains('"redacted":[', literal=True).fill_null(False)
    hinted = hinted.join(
        seen.rows.select("row", redacted=redacted), on="row", how="left", maintain_order="left"
    )
    text = pl.when("redacted").then(text.str.replace_all(_TAKEN_OUT, "")).otherwise(text)
    return _judge(
        seen, hinted.with_columns(text=text.str.head(5 * _READ_CHARS)), ["placeholder"], _find_blank
    )


_TAKEN_OUT = r"\[[A-Z][A-Z_]+\]"
"""What stands in a redacted row where a value was: the row's `extra` says that some was taken out."""
_HINT = r"\[[A-Za-z]|\{[\s{]*[A-Za-z]|<[A-Za-z]{3}|\((?i:insert|enter|add) |(?i:insert |lorem)|TODO|FIXME|TBD"


def _judge(seen: Rows, hinted: "pl.DataFrame", wanted: list[str], find: _Find) -> "pl.DataFrame":
    prompts = read_prompts(seen, hinted["row"])
    found = []
    for row, side, position, role, text in hinted.select(
        "row", "side", "position", "role", "text"
    ).iter_rows():
        fault = find(text, prompts.get(row, ""), role == "user")
        if fault is not None and fault[0] in wanted:
            place = place_of(side, position)
            where = f"message {position}" if side == OWN else f"message {position} of an alternative"
            found.append((row, Fault(fault[0], f"{_SAID[fault[0]]}: {where} says {_show(fault[1])}", place)))
    return list_faults(found)


def _find_stock(text: str, prompt: str, _: bool) -> tuple[str, str] | None:
    plain = text.translate(_STRAIGHT)
    if _ACT_WANTED.search(prompt):
        return None
    refusal = _compile("flat refusal").search(plain[:_OPENING_CHARS])
    if refusal is not None and _says_i(plain, refusal) and not _REFUSAL_WANTED.search(prompt):
        return "refusal", refusal[0]
    itself = _compile("self reference").search(plain)
    if itself is not None and not _SELF_WANTED.search(prompt):
        return "self_reference", itself[0]
    return None


def _says_i(text: str, refusal: re.Match[str]) -> bool:
    """Whether it is the assistant that refuses: an I, or nobody, stands before it in its sentence."""
    before = re.split(r"[.!?\n]", text[: refusal.start()])[-1]
    return bool(re.search(r"(?i)\bI\b|\bI'm\b|\bwe\b|\bsorry\b", before + refusal[0])) or not before.strip()


def _find_blank(text: str, prompt: str, is_prompt: bool) -> tuple[str, str] | None:
    spoken = re.sub(f"{FENCED}|{INLINE}", "\n", text)
    found = (_UNRENDERED if is_prompt else _PLACEHOLDERS).search(spoken)
    if found is None or _FORM_WANTED.search(prompt):
        return None
    if is_code(spoken) and not _is_sentence(spoken, found):
        return None
    if not is_prompt and found[0].strip() in prompt:
        return None
    return "placeholder", found[0]


def _is_sentence(text: str, found: re.Match[str]) -> bool:
    """Whether what was found in a text with code stands in a line of prose."""
    line = text[text.rfind("\n", 0, found.start()) + 1 :].partition("\n")[0].replace(found[0], " ")
    return not re.search(r"[\"'(){}\[\]<>=;/#_]", line) and not is_code(line)


def _show(text: str) -> str:
    return repr(" ".join(text.split())[:60])


@cache
def _compile(section: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{phrase})" for phrase in _read_phrases(section)), re.IGNORECASE)


@cache
def _sieve(section: str) -> str:
    """A pattern for Rust that finds what `_compile`'s finds and more: it does not look ahead, nor at the
    kind of apostrophe.
    """
    whole = (re.sub(r"\(\?[!=].*$", "", phrase).replace("'", "['’ʼ]") for phrase in _read_phrases(section))
    return "(?i:" + "|".join(whole) + ")"


def _read_phrases(section: str) -> Sequence[str]:
    return read_sections("synth_stack.text", "refusals")[section]


_SAID = {"refusal": "refusal", "self_reference": "self reference", "placeholder": "placeholder"}
