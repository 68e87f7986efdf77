"""E-mail addresses as they are written, hidden and spoken; which are examples, and which are no person's."""

import re
from collections.abc import Iterator
from typing import Literal

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
_SPOKEN_WORDS = re.compile(r"\be-?mail|\bmail|\baddress|\binbox|\bwrite to", re.IGNORECASE)
_NEARBY_CHARS = 60

_EXAMPLES = re.compile(r"(?:^|\.)(?:example\.(?:com|net|org)|(?:test|example|invalid|localhost))$")
"""RFC 2606 and RFC 6761: what is reserved for examples, and can never be anybody's."""
_NO_TLDS = frozenset(
    "local internal lan corp home localdomain png jpg jpeg gif svg webp ico bmp css scss js mjs cjs ts tsx"
    " jsx json xml html htm txt csv pdf yaml yml toml lock exe dll jar class".split()
)
"""Names of home networks (RFC 6762, appendix G) and of files (logo@2x.png): no top-level domain is one."""
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


def find_mailboxes(text: str, own: frozenset[str]) -> Iterator[tuple[int, int, Mailbox]]:
    """(start, end, kind) of every address in `text` at which a person can be reached.

    Found are plain addresses, those with a bracketed (at), and, near a word such as e-mail, spoken ones
    ("jane at acme dot com"). `own` domains and their subdomains belong to the house and pass.
    """
    for shape in (_WRITTEN, _HIDDEN):
        for match in shape.finditer(text):
            kind = _classify(match[1], re.sub(r"[\s\[\](){}<>]", "", re.sub(_DOT, ".", match[2])), own)
            if kind is not None:
                yield match.start(), match.end(), kind
    for match in _SPOKEN.finditer(text):
        nearby = text[max(match.start() - _NEARBY_CHARS, 0) : match.end() + _NEARBY_CHARS]
        if match[1].lower() not in _PRONOUNS and _SPOKEN_WORDS.search(nearby):
            kind = _classify(match[1], match[2].replace(" dot ", "."), own)
            if kind is not None:
                yield match.start(), match.end(), kind


def _classify(local: str, domain: str, own: frozenset[str]) -> Mailbox | None:
    local, domain = local.lower(), domain.lower()
    parts = domain.split(".")
    parents = {".".join(parts[k:]) for k in range(len(parts))}
    if parts[-1] in _NO_TLDS or _EXAMPLES.search(domain) or not own.isdisjoint(parents):
        return None
    return "role_email" if local in _ROLES and domain not in _FREE_MAIL else "email"
