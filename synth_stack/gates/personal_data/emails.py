"""E-mail addresses as they are written, hidden and spoken; which are examples, and which are no person's."""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Literal

from synth_stack.gates.personal_data.surroundings import Surroundings
from synth_stack.gates.word_lists import read_sections

Mailbox = Literal["email", "role_email"]

_LOCAL = r"(?<![\w+-])(?<!\w\.)(\w[\w.+-]{0,63})"
_TLD = r"(?:xn--[\w-]{2,59}|[^\W\d_]{2,24})"
_WRITTEN = re.compile(rf"{_LOCAL}(?<!\.)@((?:[\w-]{{1,63}}\.){{1,8}}{_TLD})(?![\w@-])")
_AT = r" {0,2}(?:[\[({<] ?(?:at|@) ?[\])}>]) {0,2}"
_DOT = r"(?:\.| {0,2}[\[({<] ?(?:dot|\.) ?[\])}>] {0,2}| dot )"
_HIDDEN = re.compile(rf"{_LOCAL}{_AT}((?:[\w-]{{1,63}}{_DOT}){{1,8}}{_TLD})(?![\w@-])", re.IGNORECASE)
_SPOKEN = re.compile(
    r"(?<![\w.+-])(\w[\w.+-]{0,63}(?: dot [\w-]{1,63}){0,3}) at ((?:[\w-]{1,63} dot ){1,4}[a-z]{2,10})(?!\w)",
    re.IGNORECASE,
)
_SPOKEN_WORDS = re.compile(
    r"\be-?mails?\b|\bmail|\be-?mail(?:ed|ing|adresse)|\baddress|\binbox|\bwrite to|\bcontact|\breach"
    r"|\bcorreo|\bcourriel|\badresse"
    r"|\bschreib|\bnewsletter|\bsubscri|邮箱|邮件|メール|이메일|почт",
    re.IGNORECASE,
)
_NEARBY_CHARS = 60

_EXAMPLES = re.compile(r"(?:^|\.)(?:example\.(?:com|net|org)|(?:test|example|invalid|localhost))$")
"""RFC 2606 and RFC 6761: what is reserved for examples, and can never be anybody's."""
_FILE_TLDS = frozenset(
    "zip mov app dev java box cab cat dot map link live md py sh rs ps box bat bar now fun fit page top plus"
    " off rar".split()
)
"""Top-level domains that are also file extensions or parts of code: backup@2024.zip, left-pad@next.dev. A
mailbox there stands in a sentence about mail, or has a name with a full stop in it, or a domain of three
parts.
"""
_METHOD_TLDS = frozenset(
    "to is it at in do no all any as by co gl id io int name net pl pm real si size so tv two ai me cc es"
    " shape".split()
)
"""Those that are also methods and words of code: x@W.to(dev). Local part and domain have three letters or
more there.
"""
_ROLES = frozenset(
    "info marketing sales support noc abuse security postmaster hostmaster webmaster usenet news www uucp ftp"
    " alert alerts notification notifications newsletter mailer-daemon noreply no-reply donotreply"
    " do-not-reply contact help helpdesk service customerservice customer.service customer-service"
    " customersupport customer-support customercare billing orders returns admin office press jobs careers hr"
    " privacy legal feedback team hello git kontakt rechnung datenschutz bewerbung".split()
)
"""The mailboxes of RFC 2142, and those that every shop has beside them."""
_FREE_MAIL = frozenset(
    "gmail.com googlemail.com yahoo.com outlook.com hotmail.com live.com icloud.com me.com aol.com gmx.de"
    " gmx.net web.de proton.me protonmail.com mail.ru yandex.ru qq.com 163.com".split()
)
_PRONOUNS = frozenset("me us you him her them it this that here look meet am is are".split())
_NOBODY = re.compile(
    r"(?:j(?:ohn|ane|oe|anet)[._-]?doe|(?:max|erika)[._-]?mustermann|user(?:[._-]?name|[._-]?\d{0,4})"
    r"|test(?:er|user|ing)?\d{0,4}|example\d*|sample"
    r"|(?:your|my|first|last|full|some|sender|recipient|receiver|to|from|employee|customer|client|student"
    r"|person)[._-]?"
    r"(?:name|mail|e-?mail|address|account|id|one|body)?\d{0,3}|first[._-]?name[._-]?last[._-]?name|firstlast"
    r"|name|e-?mail|mail"
    r"|someone|somebody|anyone|nobody|foo|bar|baz|qux|abc|xyz|aaa|xxx+|123+|placeholder|dummy|fake|boss"
    r"|manager|me|you|friend"
    r"|alice|bob|carol|dave?|dan|eve|charlie|nombre|usuario|correo|nom|prenom|utilisateur|benutzer|vorname"
    r"|nachname)"
)
"""Local parts that are typed without thought (John Doe, user, your.name): at the domain of a house they may
be somebody's, at a free mailer and at a placeholder for a domain they are nobody's.
"""
_NOWHERE = re.compile(
    r"(?:(?:your|my|the|some|our|any|a|this|that|another|old|new|sub|test|demo|fake|dummy|sample|example|foo"
    r"|bar|baz|abc|xyz|acme|def)?[-_]?"
    r"(?:domain|company|website|site|organi[sz]ation|business|server|host|email|e-mail|provider|store|shop"
    r"|school|university|corp|app)"
    r"(?:name)?\d{0,2}|foo|bar|baz|qux|foobar|abc|xyz|test|testing|demo|example\d?|sample|fake|dummy|acme"
    r"|somewhere|nowhere|whatever|aaa|xxx|place)"
)
"""Names of domains that stand for any domain: company.com, yourdomain.org. Reached by the hundred in
examples.
"""
_URL_BEFORE = re.compile(r"(?:://[^\s@]{0,80}|/)$")
_CODE_AFTER = re.compile(r"^(?:\(|\[|:[\w~/.-]{0,80}[\w/]|/\w|\s?[=*/+]\s?\w|\{)")
_PACKAGE = re.compile(r"[\w/-]@(?:v?\d|latest\b|next\b)")
"""A package and its version: what stands beside it is one too."""
_IDENTIFIER = re.compile(r"(?=(?:\D*\d){7})[\w.+-]{12,}")
"""A local part of a dozen characters with seven digits is the id of a message or a process."""


def find_mailboxes(
    text: str, own: frozenset[str], around: Surroundings
) -> Iterator[tuple[int, int, Mailbox]]:
    """(start, end, kind) of every address in `text` at which a person can be reached.

    Found are plain addresses, those with a bracketed (at), and, near a word such as e-mail, spoken ones
    ("jane at acme dot com"). `own` domains and their subdomains belong to the house and pass.
    """
    for shape in (_WRITTEN, _HIDDEN):
        for match in shape.finditer(text):
            domain = re.sub(r"[\s\[\](){}<>]", "", re.sub(_DOT, ".", match[2]))
            kind = _classify(match[1], domain, own)
            if kind is not None and _is_meant(text, match, domain, around):
                yield match.start(), match.end(), kind
    for match in _SPOKEN.finditer(text):
        if match[1].lower() not in _PRONOUNS and _SPOKEN_WORDS.search(_read_nearby(text, match)):
            kind = _classify(match[1], re.sub(" dot ", ".", match[2], flags=re.IGNORECASE), own)
            if kind is not None:
                yield match.start(), match.end(), kind


def _is_meant(text: str, match: re.Match[str], domain: str, around: Surroundings) -> bool:
    """Whether it is written as a mailbox, and not as a URL, a package, a product of matrices or an id of a
    message.
    """
    before, after = text[max(match.start() - 80, 0) : match.start()], text[match.end() : match.end() + 80]
    if (
        _URL_BEFORE.search(before)
        or _CODE_AFTER.search(after)
        or text[match.start() - 1 : match.start()] == "@"
    ):
        return False
    *_, name, top = domain.lower().split(".")
    if _IDENTIFIER.fullmatch(match[1].partition("+")[0]) and domain.lower() not in _FREE_MAIL:
        return False
    short = len(match[1]) < 3 or len(name) < 3
    nearby = _read_nearby(text, match)
    told = _SPOKEN_WORDS.search(nearby) is not None and not _PACKAGE.search(nearby)
    if top in _FILE_TLDS:
        long = "." in match[1] or domain.count(".") > 1
        return name[:1].isalpha() and (told or (long and not short))
    if top in _METHOD_TLDS and short:
        return told
    if around.tell(*match.span()) != "code":
        return True
    return (not short and (told or top not in _METHOD_TLDS)) or _is_quoted(before, after)


def _is_quoted(before: str, after: str) -> bool:
    return bool(re.search(r"[\"'<:]$", before)) and bool(re.match(r"[\"'>]", after))


def _read_nearby(text: str, match: re.Match[str]) -> str:
    before = text[max(match.start() - _NEARBY_CHARS, 0) : match.start()].rpartition("\n\n")[2]
    after = text[match.end() : match.end() + _NEARBY_CHARS].partition("\n\n")[0]
    return f"{before} \0 {after}"


def _classify(local: str, domain: str, own: frozenset[str]) -> Mailbox | None:
    local, domain = local.lower(), domain.lower()
    parts = domain.split(".")
    parents = {".".join(parts[k:]) for k in range(len(parts))}
    if not _is_top_level(parts[-1]) or _EXAMPLES.search(domain) or not own.isdisjoint(parents):
        return None
    nowhere = len(parts) == 2 and parts[1] in {"com", "org", "net", "edu"} and _NOWHERE.fullmatch(parts[0])
    if nowhere or (domain in _FREE_MAIL and _NOBODY.fullmatch(local)):
        return None
    return "role_email" if local in _ROLES and domain not in _FREE_MAIL else "email"


@lru_cache(maxsize=4096)
def _is_top_level(label: str) -> bool:
    """Whether the root zone has it (top_level_domains.txt), in Unicode or as it is encoded (RFC 5890)."""
    if label.startswith("xn--"):
        try:
            label = label.encode("ascii").decode("idna")
        except UnicodeError:
            return False
    return label in _list_domains()


@cache
def _list_domains() -> frozenset[str]:
    lines = read_sections(__package__, "top_level_domains")["domains"]
    return frozenset(label for line in lines for label in line.split())
