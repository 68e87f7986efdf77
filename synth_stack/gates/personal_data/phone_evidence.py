"""What the words around a run of digits say of it: whether it is announced as a telephone number.

A word that has another meaning too (a call returns a number, a text has a length, a phone has a price)
announces only in the turns of phrase that people use: "call me on", "text us at", "my number is". What
stands right before the number counts for more than what stands further off.
"""

import re
from enum import IntEnum

from synth_stack.gates.personal_data.surroundings import Surroundings


class Evidence(IntEnum):
    """What the words say of a number: that it is another kind of number, nothing, that telephones are what
    the sentence is about, or that this is the number of one.
    """

    OTHER = -1
    NONE = 0
    TOPIC = 1
    ANNOUNCED = 2


_CALL_STEMS = (
    "call ring phone dial text reach contact message sms nummer ruf meld erreich appel joi llam llám chiam"
    " contat contác contac bel bereik"
    " dzwo kontakt lig escríb escrib"
).split()
PHONE_STEMS = (
    *_CALL_STEMS,
    *(
        "tel tél cell mobil fax whatsapp viber fon handy durchwahl festnetz portable fixe movil móvil celular"
        " fisso gsm kom puhelin tlf"
        " mobiel τηλ тел моб номер numara 電話 携帯 电话 手机 手機 전화 휴대폰"
        " هاتف جوال טלפון फ़ोन फोन โทร điện ponsel hp"
        " number número numéro numero numer num"
    ).split(),
)
"""Every word below that says telephone, small, has one of these in it."""

_LABELS = (
    r"(?:tele|cell(?:ular)? ?|mobile ?|smart|home ?|work ?|office ?)?phones?|tel|cell|mobile|fax|landline"
    r"|whatsapp|sms|viber"
    r"|telefon\w*|telefax|fon|handy(?:nummer|nr)?|mobil(?:e|nummer|telefon|nr)?|rufnummer|durchwahl"
    r"|festnetz(?:nummer)?"
    r"|t[ée]l[ée]phone|t[ée]l|portable|fixe|tel[ée]fono|m[óo]vil|celular|cellulare|cell|fisso"
    r"|telefoon(?:nummer)?|mobiel(?:tje)?"
    r"|gsm|kom[óo]rk\w*|kom|telefone|telem[óo]vel|puhelin\w*|matkapuhelin|mobilnummer|tlf|telefonszám"
    r"|mobilszám|telefonní"
    r"|τηλ[ée]?φωνο|τηλ|телефон\w*|тел|моб(?:ильный)?|電話(?:番号)?|携帯(?:電話)?|电话(?:号码)?"
    r"|手机(?:号码?|号)?|手機|전화(?:번호)?"
    r"|휴대폰"
    r"|هاتف|جوال|טלפון|फ़ोन|फोन|โทร(?:ศัพท์)?|điện thoại|telepon|ponsel|hp"
)
_NUMBER = (
    r"(?:numbers?|nummer|num[ée]ro|número|numero|numer|номер|numara(?:sı)?|line|no|nr|nº|n°|num|#"
    r"|号码?|號碼|番号|번호)"
)
_OF = (
    r"(?: (?:de|di|do|da|of|for|to reach \w+|telefonu|téléphone|tel[ée]fono|telefone|portable|móvil|celular"
    r"|cellulare))"
)
_IS = (
    r"(?:is|are|was|'s|lautet|ist|est|es|è|é|to|jest|on|at|under|unter|au|al|op|pod|:|=|-|–|—|：|是|は|为|為)"
)
_TIGHT_LABEL = re.compile(
    rf"(?:(?<![^\W_])(?<![.$])(?:{_LABELS})(?![^\W_\d])\.?|(?:电话|手机|電話|手機|携帯|전화|휴대폰))"
    rf"(?:[ _-]?{_NUMBER}\.?)?{_OF}?(?: \((?:\w{{1,12}} ?){{1,3}}\))?(?:\s{{0,3}}{_IS}){{0,3}}"
    r"[\s\"'(*_`|:>\[{]{0,8}$",
    re.IGNORECASE,
)
_SENTENCE_ENDS = re.compile(rf"(?:{_LABELS})(?<=\w{{5}})\.\s", re.IGNORECASE)
"""A whole word and a stop: "for my phone." says nothing of what comes next, and "Tel." does."""
_MY = (
    r"(?:my|his|her|their|our|your|meine?|mein|mon|ma|mi|il mio|mijn|mój|moja|min|mitt|o meu|meu|su|suo"
    r"|sein\w*|ihr\w*|son)"
)
_MY_NUMBER = re.compile(
    rf"\b{_MY} (?:\w{{2,12}} )?(?:{_NUMBER}|номер)(?:(?: is|: ?| ist| est| es| è| to| jest| number is"
    rf"|'s)){{1,2}}(?: le| el| il)?[\s\"'(]{{0,3}}$",
    re.IGNORECASE,
)
_SOMEONE = r"(?:me|us|him|her|them|you)"
_CALLS = re.compile(
    rf"(?:\b(?:call|ring|phone|text|reach|contact|message|dial)(?:ing|ed)?(?: {_SOMEONE}"
    rf"|(?: up)? (?-i:[A-Z])\w{{1,20}}(?: (?-i:[A-Z])\w{{1,20}})?)"
    r"(?: (?:back|up|directly|anytime|any time|again|today|tomorrow|tonight|urgently|please|either))?"
    r"(?: (?:on|at|via|under|using))?(?: (?:my|this|his|her|our|their|the) (?:\w+ )?(?:number|cell|mobile"
    r"|phone|line))?"
    r"|\b(?:can|could|please|to|just|or|and|then|also|may|must|should) (?:call|ring|phone|dial|text)(?: (?:at"
    r"|on|the number))?"
    r"|^(?:call|dial|ring|text)|[.!?:] (?:Call|Dial|Ring|Text)"
    r"|\b(?:calls?|texts?|messages|sms) (?:to|from|at|on)(?: (?:the|my|this) number)?"
    r"|\b(?:messages?|texts?|calls?|sms) (?:on|to|at) my(?: \w+)?|\banswer(?:ing|s|ed)?(?: (?:me|us"
    r"|the phone))? (?:at|on)"
    r"|\b(?:reachable|reached) (?:at|on|under)|\b(?:unter|on) (?:der|the) nummer"
    r"|\b(?:ruf\w*|anruf\w*|erreich\w*|meld\w*) (?:(?:sie|mich|uns|ihn"
    r"|dich) )?(?:\w+ )?(?:bitte )?(?:an )?(?:unter|auf)"
    r"|\b(?:appel\w+|contact\w+|joi(?:ndre|gn\w+))(?:[ -](?:moi|nous|le|la))? (?:au|sur le|sur)"
    r"|\b(?:ll[áa]m\w+|contáct\w+|escríb\w+)(?: a)? (?:al|en el)|\b(?:chiam\w+|contatt\w+)(?: (?:mi"
    r"|ci))? (?:al|allo)"
    r"|\bbel(?:len)?(?: (?:me|mij|ons))?(?: (?:op|naar))|\bbereikbaar (?:op|via)"
    r"|\b(?:zadzwo\w+|dzwoni\w*|kontakt)(?: do (?:mnie|nas))? (?:na|pod)(?: numer)?|\blig\w+ para"
    r"|\bring (?:meg|mig) på)"
    r"(?: (?:the )?(?:number|nr\.?|no\.?))?[:\s\"'(]{0,4}$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    rf"^[\"')]{{0,2}},? {{0,2}}(?:(?:is|ist|est|es|è|to|are) (?:{_MY} |the "
    rf"|meine? )?(?:\w{{2,12}} )?(?:{_LABELS}|number)\b"
    rf"|[(\[](?:{_LABELS})[)\]]|[ -]{{1,3}}(?:{_LABELS}|office|home|work|direct)(?![^\W_]))",
    re.IGNORECASE,
)
_TOPIC = re.compile(
    rf"(?<![.$])\b(?:{_LABELS}|(?:call|ring|text|phone|dial|reach|contact) {_SOMEONE}|anruf\w*|zurückruf\w*"
    rf"|appel(?:ez|er)|llámame|chiamami"
    rf"|zadzwoń|bel me|{_MY} (?:new )?number)(?![^\W\d_])",
    re.IGNORECASE,
)
_ASKED = re.compile(
    rf"\b(?:{_LABELS})[ -]?{_NUMBER}|\b(?:{_LABELS}) ?\?|telefonnummer|handynummer|rufnummer"
    rf"|num[ée]ro de (?:t[ée]l|portable)"
    r"|número de tel|numero di (?:tel|cell)|telefoonnummer|numer telefonu|(?:number"
    r"|where) (?:\w+ ){0,4}(?:call|reach|ring) you"
    r"|电话号码|手机号|電話番号|전화번호",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"\b(?:order|invoice|ref(?:erence)?|ticket|sku|tracking|serial|model|case|account|transaction|booking|tax"
    r"|vat"
    r"|confirmation|policy|isbn|issn|doi|pmid|arxiv|part|item|product|parcel|shipment|u?id|uuid|gid|iban|card"
    r"|routing"
    r"|version|build|release|commit|hash|checksum|seed|timestamp|epoch|offset|address|port|pid|sensor|batch"
    r"|row|record"
    r"|barcode|ean|upc|imei|vin|patent|grant|registration|licen[cs]e|permit|zip|postcode|coordinates?"
    r"|latitude|longitude"
    r"|population|total|sum|amount|price|salary|revenue|digits?|sequence|sort(?:ed)?|integers?|values?"
    r"|returns?|equals?"
    r"|bestell\w*|rechnung\w*|auftrag\w*|kunden\w*|sendung\w*|konto\w*|commande|facture|pedido|factura|ordine"
    r"|fattura"
    r"|bestelling|factuur|zamówieni\w*|faktur\w*|konta)\b[.:#]?",
    re.IGNORECASE,
)
_COLON = re.compile(r":[\s\"'(]{0,4}$")
_CELL = re.compile(r"[|\t]")
_NEAR_CHARS = 100
_DESK_CHARS = 240
_OWN_CHARS = 60
_AFTER_CHARS = 40
_LABEL_SPAN = 50
"""How far before a number a word may stand that says what the sentence is about."""

_SHORT_REPLY = 60
"""A number within so many characters of the start of a message answers what was asked in the one before."""

_KEYED = re.compile(
    r"(?:^|[^a-z])(?:[\w-]{0,20}[_-])?(?:tele?phone|phone|mobile|cell(?:phone)?|fax|tel|whatsapp"
    r"|telefon\w*|tel[ée]fono|téléphone)"
    r"(?:[ _-]?(?:number|num|no|nr|home|work|mobile))?s?[\"']?\]?\s{0,3}(?:[:=]|=>"
    r"|,)\s{0,3}[\[{(]?\s{0,3}[rbfu]?[\"']?\(?$",
    re.IGNORECASE,
)
"""A key or a name that says telephone, an equals sign or a colon, and the value."""

_BUSINESS = re.compile(
    r"(?<![./@-])\b(?:restaurants?|caf[ée]|diner|bistro|pizzeria|hotels?|motel|hostel|inn|salons?|stylist"
    r"|barber|spa"
    r"|clinics?|hospital"
    r"|dentists?|dental|therapists?|pharmacy|stores?|shop|outlet|company|business|museum|library|theat(?:er"
    r"|re)|cinema|venue"
    r"|airport|station|attraction|bank|branch|agency|office|headquarters|support|customer service|help ?line"
    r"|reservations?"
    r"|reception|front desk|rating|rated|for rent|(?:per|a) night|property|real estate|listing|cuisine"
    r"|opening[_ ]hours|price[_ ]range|reviews|category|check[- _]?in|city hall|school|university|church"
    r"|provider|tienda|hotel|restaurante|empresa|geschäft|firma)\b",
    re.IGNORECASE,
)
_THIRD = re.compile(
    r"\b(?:their|its|them)\b|\bthey (?:can|could|may) be\b|\b(?:situated|located) (?:at|in|on)\b"
    r"|(?:^|[.!?,:;]\s{0,2}|\b(?:and|but|also|yes|sure)\s)(?:the )?(?:(?:phone|telephone|contact|street"
    r"|postal|exact|full) )*(?:number|address)"
    r"(?: \w+)? (?:is|was|as|at)\s*$",
    re.IGNORECASE,
)
"""What is said of a place or a firm: their number, they can be reached, the phone number is."""
_IS_THE_NUMBER = re.compile(r"\s{1,2}is (?:the|their|its) (?:\w+ )?(?:number|address)", re.IGNORECASE)
_OWN = re.compile(
    r"\b(?:my|i live|his|her|him|(?:call|ring|text|reach|contact|phone|message|to|at|for) me|me (?:on|at"
    r"|under)"
    r"|your (?:\w+ ){0,2}(?:number|phone|mobile|cell|address)|(?:reach|call|contact) you"
    r"|cell|mobile|handy\w*|portable|m[óo]vil|celular|cellulare|mijn|mij|m[óo]j\w*|mnie|mein\w*|mich"
    r"|mon|ma|moi|m'|mi|mio|customer\w*|guest|patient|client|live[sd]?|living|moved|moving|deliver\w*"
    r"|ship(?:ped|ping)?|send|wohn\w*|habite|vivo|abito|woon|mieszkam)\b",
    re.IGNORECASE,
)


def weigh(around: Surroundings, start: int, end: int, before: str) -> Evidence:
    """What the words around text[start:end] say of it; `before` is the end of the message before.

    In code, a log or JSON only a name or key that says telephone, or a whole turn of phrase, counts.
    """
    near, after = around.text[max(start - _NEAR_CHARS, 0) : start], around.text[end : end + _AFTER_CHARS]
    small = near.lower()
    told = any(stem in small for stem in PHONE_STEMS)
    calls = told and any(stem in small for stem in _CALL_STEMS)
    if (
        not told
        and not before
        and not _CELL.search(near)
        and around.text[start:end].isdigit()
        and not _is_told_after(near, after)
    ):
        return Evidence.OTHER  # a run of digits in which nothing says telephone: most of what is looked at
    spoken = bool(calls and _CALLS.search(near)) or bool(told and _MY_NUMBER.search(near))
    if spoken or (told and _is_labelled(near)) or _is_told_after(near, after) or _is_answer(near, before):
        evidence = Evidence.ANNOUNCED
    else:
        evidence = _weigh_sentence(near, told=told)
    header = around.read_header(start)
    if header:
        return Evidence.ANNOUNCED if _TIGHT_LABEL.fullmatch(header) else Evidence.OTHER
    if evidence is Evidence.OTHER or around.tell(start, end) == "prose":
        return evidence
    return Evidence.ANNOUNCED if told and _is_named(around, start, end, near, evidence) else Evidence.OTHER


def _is_named(around: Surroundings, start: int, end: int, near: str, evidence: Evidence) -> bool:
    """Whether what is no prose says telephone of a value: by its key, or in words that are somebody's own."""
    if around.text[start:end].isdigit() and near[-1:] not in "\"'" and around.tell(start, end) == "code":
        return False  # a number to reckon with, whatever its name
    if _KEYED.search(near) or _MY_NUMBER.search(near):
        return True
    colon = _COLON.search(near) is not None
    own = _OWN.search(near, max(len(near) - _LABEL_SPAN, 0)) is not None
    return evidence is Evidence.ANNOUNCED and (own or (colon and around.tell(start, end) != "log"))


def _is_labelled(near: str) -> bool:
    """Whether right before the number stands what labels one: "Tel.", "mobile no:"."""
    label = _TIGHT_LABEL.search(near)
    return label is not None and _SENTENCE_ENDS.match(label[0]) is None


def _is_told_after(near: str, after: str) -> bool:
    """Whether what comes after says telephone: "is my mobile", "(cell)", or, at the start of a line,
    "office".
    """
    match = _AFTER.match(after)
    bare = (
        match is not None
        and match[0][:1] in " -"
        and not re.match(r",? {0,2}(?:is|ist|est|es|è|to|are) ", match[0])
    )
    return match is not None and (
        not bare or near.rstrip(" ")[-1:] in {"", "\n"} or near.endswith((",", ";"))
    )


def _is_answer(near: str, before: str) -> bool:
    return (
        len(near) <= _SHORT_REPLY and bool(before) and not _OTHER.search(near) and bool(_ASKED.search(before))
    )


def is_desk(text: str, start: int, end: int, before: str) -> bool:
    """Whether text[start:end] is told as a business's (their number, the address is), and not as anybody's
    own.

    What says so stands in the same paragraph, or, for what answers it in the first, in the message before.
    """
    near = text[max(start - _DESK_CHARS, 0) : start]
    paragraph = near.rpartition("\n\n")[2]
    near = f"{before}\n{near}" if len(paragraph) == start else paragraph
    if _OWN.search(near, max(len(near) - _OWN_CHARS, 0)):
        return False
    asked = before if len(paragraph) == start else ""
    said = f"{asked}\n" + re.split(r"[.!?]\s", paragraph)[-1]
    if _THIRD.search(said, max(len(said) - _NEAR_CHARS, 0)) or _IS_THE_NUMBER.match(text, end):
        return True
    return _BUSINESS.search(near) is not None


def _weigh_sentence(near: str, *, told: bool) -> Evidence:
    start = max((match.end() for match in re.finditer(r"[.!?]\s|\n", near)), default=0)
    first = max(start, len(near) - _LABEL_SPAN)
    topic = max((match.end() for match in _TOPIC.finditer(near, first)), default=-1) if told else -1
    other = max((match.end() for match in _OTHER.finditer(near, start)), default=-1)
    if topic > other:
        return Evidence.TOPIC
    return Evidence.OTHER if other >= 0 else Evidence.NONE
