"""Placeholders that were never filled in: of letters, templates, masks and programs."""

import re
from typing import TYPE_CHECKING

from synth_stack.gates.structure.faults import list_faults
from synth_stack.gates.structure.prose import FENCED, INLINE, is_code
from synth_stack.gates.structure.reading import Rows, Rules
from synth_stack.gates.structure.row_findings import list_found

if TYPE_CHECKING:
    import polars as pl

_BLANK = (
    r"(?:your|my|name|first|last|full|company|customer|client|recipient|sender|employer|manager|employee"
    r"|candidate|date"
    r"|address|city|state|zip|phone|e-?mail|title|position|job|product|service|brand|location|venue"
    r"|number|amount|time"
    r"|day|month|year|link|url|website|placeholder|topic|subject|organi[sz]ation|school|university|hiring"
    r"|contact"
    r"|specific|relevant|describe|x{2,}|todo|tb[dc]|e\.g\.|(?:insert|enter|add|fill)(?=[\s_-](?:your|my"
    r"|the|in|here|name|date"
    r"|specific|any|link|text|image|more|relevant|details?|company|number|title|location|topic)\b))"
)
_BRACED = (
    r"(?i:(?<![$/\w])\{(?:name|customer|user|company|product|topic|city|date|order|your|first|last|full"
    r"|recipient|sender)"
    r"(?:[_ ][\w ]{1,24})?\})"
)
_MARKED = (
    r"(?:<(?:Name|NAME|First Name|Last Name|Full Name|Company|COMPANY|Company Name|Customer|City|Date"
    r"|DATE|YOUR [A-Z ]{2,30})>"
    r"|(?:%|<<|__|\$\$)(?:NAME|(?:FIRST|LAST|USER|CUSTOMER|COMPANY)_?NAME|COMPANY|CITY|EMAIL"
    r"|RECIPIENT)(?:%|>>|__|\$\$)"
    r"|(?i:\(your (?:\w+ )?(?:name|address|company|city|e-?mail|number|title|position"
    r"|signature)(?: here)?\)))"
)
"""Names in signs of other templates than Jinja's and Python's."""
_BLANK_ABROAD = (
    r"(?i:\[(?:ihre?[nrs]? [\w ]{2,30}|deine?[nrs]? [\w ]{2,30}|name (?:des|der) [\w ]{2,30}"
    r"|votre [\w' ]{2,30}|nom (?:de|du) [\w' ]{2,30}"
    r"|(?:tu|su) (?:nombre|apellido|empresa|direcci[oó]n|correo|cargo)[\w ]{0,20}|nombre (?:de"
    r"|del) [\w ]{2,30}"
    r"|(?:il tuo|la tua) [\w ]{2,30}|seu (?:nome|e-?mail|cargo|endereço)[\w ]{0,20}|(?:uw|jouw|je) naam"
    r"|ваш[аеи]? [\w ]{2,30}"
    r"|tw[oó]j[ea]? [\w ]{2,30})\](?!\())"
    r"|[\[【](?:您的|你的|请输入|請輸入|请填写|填写|插入|姓名|公司名称|日期|あなたの|お名前|会社名|氏名|귀하의|이름|회사명)[^\[\]【】\n]{0,20}[\]】]"
)
_MASKED = r"\bX{3}-X{3}-X{4}\b|\bX{4,}\b|[$€£]X{1,3}(?:[.,]X{2,3})?\b|\b(?:XX/XX/X{2,4})\b"
"""Letters in the place of digits, which a value was to replace; in what a user pastes they mask one."""
_UNSET = (
    r"\[object Object\]|\b(?:Dear|Hello|Hi) (?:None|null|undefined|NaN)\b|^\W*placeholder\W*$"
    r"|(?i:\b(?:your|sample) (?:content|text|answer|response|description|details) (?:goes |go )?here\b)"
)
"""What programs print where a value was missing."""
_PLACEHOLDERS = re.compile(
    rf"(?i:\[{_BLANK}(?:[’'\s/,:_-][^\[\]\n]{{0,60}})?\](?!\())|(?i:<(?:insert|your|enter|add|fill"
    rf"|placeholder)\b[^<>\n]{{0,60}}>)"
    rf"|(?<!\$)\{{\{{\s*[A-Za-z_][\w .'-]{{0,40}}\s*\}}\}}|{_BRACED}"
    rf"|{_MARKED}|{_BLANK_ABROAD}|{_MASKED}|{_UNSET}"
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
    r"|\b(?:writ(?:e|ing|ten)|wrote|compos\w+|draft\w*|creat\w+|generat\w+|prepar\w+|design\w*|make|give"
    r"|provide|edit|revise"
    r"|improve|respond|reply|come up with|develop|produce|formulate|craft|build|need|send\w*|example of"
    r"|sample)\b"
    r"[^.!?\n]{0,60}\b(?:letters?|invites?|forms|contracts?|agreements?|cvs?|speech\w*|announcements?"
    r"|proposals?"
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

_OF_CODE = re.compile(
    r"(?i)\b(?:(?:shell|bash|python|perl|php|ruby|javascript|java|c#|sql|lua|r|html|css|power ?shell"
    r"|batch) )?scripts?\b(?! (?:for|of|about) (?:a |an |the )?"
    r"(?:play|film|movie|video|podcast|show|call|commercial|radio))|\bhtml forms?\b"
    r"|\be-?mail address(?:es)?\b|\bregular expressions?\b"
)
"""Words that name a letter or a script elsewhere, and code here."""


def asks_for_form(prompt: str) -> bool:
    """Whether a prompt asks for what is to be filled in, or holds some of it."""
    return bool(_FORM_WANTED.search(prompt) or _PLACEHOLDERS.search(prompt))


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
    return list_found(
        seen, hinted.with_columns(text=text.str.head(_READ_CHARS)), ["placeholder"], _find_blank
    )


_TAKEN_OUT = r"\[[A-Z][A-Z_]+\]"
"""What stands in a redacted row where a value was: the row's `extra` says that some was taken out."""
_READ_CHARS = 20_000
_HINT = (
    r"\[[A-Za-z]|\{[\s{]*[A-Za-z]|<[A-Za-z]{3}|\((?i:insert|enter|add) |(?i:insert |lorem)|TODO|FIXME|TBD"
    r"|[\[【][^\x00-\x7f]|(?:%|<<|__|\$\$)[A-Z]|\((?i:your) |XX|[$€£]X|(?:Dear|Hello|Hi) (?:None|null"
    r"|undef|NaN)"
    r"|(?i:placeholder| here\b)"
)


def _find_blank(text: str, prompt: str, is_prompt: bool) -> tuple[str, str] | None:
    spoken = re.sub(f"{FENCED}|{INLINE}", "\n", text)
    found = (_UNRENDERED if is_prompt else _PLACEHOLDERS).search(spoken)
    if found is None or _FORM_WANTED.search(_OF_CODE.sub(" ", prompt)):
        return None
    if is_code(spoken) and not _is_said(spoken, found):
        return None
    if not is_prompt and (
        found[0].strip() in prompt or (_MASK.fullmatch(found[0]) and _SOME_X.search(prompt))
    ):
        return None
    return "placeholder", found[0]


_MASK, _SOME_X = re.compile(_MASKED), re.compile(r"\bX+\b|[$€£]X")
_CODE_SIGN = re.compile(r"[\"'(){}\[\]<>=;/#_]")
_STATEMENT_END = re.compile(r"[;})\]>\"'`.!?\d][ \t]+(?=[A-Z])")
"""After code on a line a sentence begins."""
_CLOSING = re.compile(
    r"(?im)^(?:best|kind|warm)?\W?(?:regards|wishes|sincerely|yours \w+|thanks|thank you|cheers),?[ \t]*$"
)


def _is_said(text: str, found: re.Match[str]) -> bool:
    """Whether what was found in a text with code stands in prose: in a line or a sentence without signs
    of code, or alone on one of the last lines, as below a letter.
    """
    begins = text.rfind("\n", 0, found.start()) + 1
    for end in _STATEMENT_END.finditer(text, begins, found.start() + 1):
        begins = end.end()
    said = text[begins:].partition("\n")[0].replace(found[0], " ")
    if not said.strip():
        return bool(_CLOSING.search(text, max(0, begins - 60), begins)) or not text[found.end() :].strip()
    return not _CODE_SIGN.search(said) and not is_code(said)
