"""Answers that say nothing of their own: refusals, and an assistant that speaks of itself."""

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from synth_stack.gates.structure.faults import list_faults
from synth_stack.gates.structure.language import asks_for_language
from synth_stack.gates.structure.reading import Rows, Rules
from synth_stack.gates.structure.row_findings import list_found
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
    *(
        "not comfortable",
        "feel comfortable",
        "my scope",
        "my current scope",
        "capabilities",
        "my abilities",
        "access to",
    ),
    *("violate", "rather not", "prefer to not"),
    *(
        "ich kann",
        "kann ich",
        "je ne",
        "no puedo",
        "non posso",
        "non sono in grado",
        "não posso",
        "não consigo",
        "ik kan",
    ),
    *(
        "nie mogę",
        "не могу",
        "无法",
        "無法",
        "不能",
        "没法",
        "沒辦法",
        "できません",
        "かねます",
        "できない",
        "수 없습니다",
        "수가 없습니다",
    ),
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
    *(
        "als ai",
        "jako model",
        "sztuczna",
        "языковая",
        "искусственный",
        "как ии",
        "aiとして",
        "aiアシスタント",
        "aiモデル",
    ),
    *(
        "인공지능",
        "ai 언어",
        "ai로서",
        "built by",
        "i'm qwen",
        "i am qwen",
        "deepseek",
        "chatglm",
        "openassistant",
        "kimi",
    ),
    *("hunyuan", "ernie bot", "claude", "gemini", "bard", "grok", "llama", "copilot", "mistral"),
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
    r"|steps?|best|where)\b[^.?!\n]{0,80}\b(?:kill\w*|murder\w*|bombs?|explosives?|weapons?|guns?"
    r"|hack(?:ing)?|malware"
    r"|ransomware|steal(?:ing)?|illegal\w*|meth|cocaine|heroin|suicide|self-harm|porn\w*|sexual\w*"
    r"|nude\w*|rape\w*|racis\w*"
    r"|sexis\w*|nazi\w*|terroris\w*|hate speech|slurs?|insult\w*|phishing|scam\w*|fraud|counterfeit"
    r"|launder\w*|poison\w*"
    r"|torture|violence|stalk\w*|dox\w*|(?:dis|mis)information|propaganda|conspiracy)\b"
    r"|\b(?:kill (?:you|him|her|them|me|my)|rape|slut|whore|bitch|fuck\w*|nigg\w+|fagg\w+|ssn"
    r"|social security|credit card"
    r"|(?:home|street|e-?mail|ip)? ?address of|phone number|passwords?|private (?:data|information)"
    r"|personal (?:data|information))\b"
)
"""What a prompt speaks of when it asks for a refusal, or for what a refusal is right for."""
_HARM_ABROAD = re.compile(
    r"(?i)\b(?:bomben?|waffen?|töte\w*|ermord\w*|drogen?|hacken|stehlen|selbstmord|bombes?|armes?|tuer"
    r"|meurtre|drogues?|pirater"
    r"|voler|suicide|bombas?|armas?|matar|drogas?|hackear|robar|suicidio|bombe|armi|uccidere|rubare"
    r"|бомб\w*|оружи\w*|убить"
    r"|наркот\w*|взлом\w*)\b|炸弹|武器|杀|毒品|自杀|色情|黑客|诈骗|爆弾|殺|麻薬|ハッキング|폭탄|무기|마약|해킹|자살"
)
"""The same in other languages, by its commonest words."""
_ACT_WANTED = re.compile(
    r"(?i)\b(?:can|could|would|will) you (?:please |also |kindly |help me |maybe |just )*(?:book|order|buy"
    r"|purchase|reserve"
    r"|schedule|call|send|transfer|pay|play|turn|set|open|post|download|upload|remind|deliver|hire|cancel"
    r"|check|search"
    r"|look up|track|arrange|make a (?:reservation|booking|call|payment))\b"
)
"""What a user asks an agent to do: which of it is beyond it, an agent has to say."""
_SELF_WANTED = re.compile(
    r"(?i)\b(?:are you|who are|what are you|you are|you're|your(?:self)? (?:name|opinions?|feelings?"
    r"|favou?rite|thoughts?"
    r"|views?|purpose|creators?|training|experiences?|life|day|preferences?|beliefs?|emotions?"
    r"|limitations?|capabilit\w+"
    r"|knowledge|developers?|house|family|job|childhood|hobb\w+)|yourself|(?:do|did|would) you (?:think"
    r"|feel|like|believe"
    r"|prefer|dream|sleep|eat|exist|ever|enjoy|remember|know|understand|consider|say)|have you ever"
    r"|you (?:had|have had|would do|could face|won|felt|experienced|learned|faced|overcame)|a\.?i\.?"
    r"|artificial intelligence|language models?|chat ?bots?|chat ?gpt|gpt\S*|llms?|robots?"
    r"|assistants?|machine learning|neural)\b|你是|你叫|eres|tu nombre|bist du|es-tu|êtes-vous"
)
"""What a prompt speaks of when an assistant may speak of itself."""


def asks_for_stock(prompt: str) -> bool:
    """Whether a prompt asks for a refusal, for an act in the world, or for what an assistant is."""
    return asks_for_refusal(prompt) or any(pattern.search(prompt) for pattern in (_ACT_WANTED, _SELF_WANTED))


def asks_for_refusal(prompt: str) -> bool:
    """Whether a prompt asks for a refusal, or for what a refusal is right for."""
    return bool(_REFUSAL_WANTED.search(prompt) or _HARM_ABROAD.search(prompt))


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
        head.str.contains(_sieve("flat refusal"))
        | head.str.contains(_sieve("flat refusal abroad"))
        | text.str.contains(_sieve("self reference"))
    ).join(plain, on="row", how="semi", maintain_order="left")
    return list_found(seen, hinted.with_columns(text=text), wanted, _find_stock)


def _find_stock(text: str, prompt: str, _: bool) -> tuple[str, str] | None:
    plain = text.translate(_STRAIGHT)
    if _ACT_WANTED.search(prompt):
        return None
    refusal = _compile("flat refusal").search(plain[:_OPENING_CHARS])
    if refusal is not None and _says_i(plain, refusal) and not asks_for_refusal(prompt):
        return "refusal", refusal[0]
    abroad = _compile("flat refusal abroad").search(plain[:_OPENING_CHARS])
    if abroad is not None and not asks_for_language(prompt) and not asks_for_refusal(prompt):
        return "refusal", abroad[0]
    itself = _compile("self reference").search(plain)
    if itself is not None and not _SELF_WANTED.search(prompt):
        return "self_reference", itself[0]
    return None


def _says_i(text: str, refusal: re.Match[str]) -> bool:
    """Whether it is the assistant that refuses: an I, or nobody, stands before it in its sentence."""
    before = re.split(r"[.!?\n]", text[: refusal.start()])[-1]
    return bool(re.search(r"(?i)\bI\b|\bI'm\b|\bwe\b|\bsorry\b", before + refusal[0])) or not before.strip()


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
