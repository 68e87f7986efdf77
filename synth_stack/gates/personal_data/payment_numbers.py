"""Payment cards and bank accounts: lengths, issuers, check digits, and the numbers published for tests."""

import re
from functools import lru_cache

_CLASSES = {"n": "0-9", "a": "A-Z", "c": "A-Z0-9"}
_CARD_PREFIXES: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (4000, 4999, (13, 16, 19)),  # Visa
    (5100, 5599, (16,)),  # Mastercard
    (2221, 2720, (16,)),  # Mastercard since 2017
    (3400, 3499, (15,)),  # American Express
    (3700, 3799, (15,)),  # American Express
    (3000, 3059, (14,)),  # Diners Club
    (3600, 3699, (14,)),  # Diners Club
    (3800, 3999, (14,)),  # Diners Club
    (6011, 6011, (16,)),  # Discover
    (6440, 6599, (16,)),  # Discover
    (6200, 6299, (16, 17, 18, 19)),  # UnionPay
    (3528, 3589, (16,)),  # JCB
    (5018, 5018, (16,)),  # Maestro, and the next three
    (5020, 5020, (16,)),
    (5038, 5038, (16,)),
    (6759, 6763, (16, 18)),
)
"""First four digits from and to, and the lengths of such a card: ISO/IEC 7812 as the schemes use it."""

_TEST_CARD_BIN = "400000"
"""Stripe's decline and country cards: 4000 00xx xxxx xxxx, which no bank issues."""

_TEST_CARDS = frozenset(
    "4242424242424242 4111111111111111 4012888888881881 4222222222222 4012000033330026 4012000077777777"
    " 4005519200000004 4009348888881881 4217651111111119 4500600000000061 4035501000000008 4360000001000005"
    " 4988438843884305 4166676667666746 4646464646464644 4444333322221111 4917610000000000 4977949494949497"
    " 5555555555554444 5105105105105100 5200828282828210 5425233430109903 5454545454545454 5555341244441115"
    " 5100081112223332 5103221911199245 5100290029002909 5136333333333335 5577000055770004 2222405343248877"
    " 2223003122003222 2222400070000005 2223000048400011 2720992593319364 378282246310005 371449635398431"
    " 378734493671000 370000000000002 374245455400126 340000000000009 6011111111111117 6011000990139424"
    " 6011981111111113 6011000000000004 6011000400000000 6011601160116611 6445644564456445 6510000000000133"
    " 3056930009020004 30569309025904 38520000023237 36227206271667 36700102000000 36148900647913"
    " 3530111333300000 3566002020360505 3569990010095841 3528000700000000 6555900000604105 6200000000000005"
    " 6200000000000047 6205500000000000004 6250946000000016 6243030000000001 6759649826438453"
    " 6771798021000008 6771830999991239".split()
)
"""Published for tests by Stripe, PayPal, Braintree, Adyen, Worldpay, and in the schemes' own examples."""

_IBANS = {
    country: structure
    for structure, countries in {
        "11n": "NO",
        "12n": "BE",
        "14n": "DK FI FO GL SD",
        "2a 12n": "FK",
        "4a 10n": "NL",
        "15n": "SI",
        "3n 10c 2n": "MK",
        "16n": "AT BA EE LT MN XK",
        "3n 13c": "KZ LU",
        "17n": "HR",
        "4a 13c": "LV",
        "5n 12c": "CH LI",
        "18n": "CR DE ME RS VA",
        "2a 16n": "GE",
        "4a 14c": "BH",
        "4a 14n": "GB IE",
        "4a 6n 8c": "BG",
        "19n": "AE IL SO TL",
        "3n 16c": "OM",
        "4a 15c": "GI",
        "4a 15n": "IQ",
        "20c": "MD",
        "20n": "CZ ES SE SK TN",
        "2n 18c": "SA",
        "4a 16c": "PK RO",
        "4a 16n": "VG",
        "8n 12c": "AD",
        "21n": "LY PT ST",
        "22n": "IS",
        "6n 16c": "TR",
        "10n 11c 2n": "FR MC",
        "1a 10n 12c": "IT SM",
        "23n": "BI DJ MR",
        "7n 16c": "GR",
        "24c": "GT",
        "24n": "HU PL",
        "4a 20c": "AZ",
        "4a 20n": "HN NI SV",
        "4c 20n": "DO",
        "4c 4n 16c": "BY",
        "4n 20c": "LB",
        "8n 16c": "AL CY",
        "23n 1a 1c": "BR",
        "25n": "EG",
        "4a 21c": "PS QA",
        "6n 19c": "UA",
        "4a 19n 3a": "MU",
        "4a 22c": "KW",
        "4a 4n 18c": "JO YE",
        "4a 20n 3a": "SC",
        "4a 5n 18c": "MT",
        "4a 24c": "LC",
        "14n 15c": "RU",
    }.items()
    for country in countries.split()
}
"""What stands after the check digits: n digits, a capitals, c both. SWIFT IBAN registry, release 101."""

_TEST_IBANS = frozenset(
    "DE89370400440532013000 DE12500105170648489890 DE02120300000000202051 DE91100000000123456789"
    " GB82WEST12345698765432 GB29NWBK60161331926819 GB33BUKB20201555555555 FR1420041010050500013M02606"
    " FR7630006000011234567890189 ES9121000418450200051332 IT60X0542811101000000123456 NL91ABNA0417164300"
    " NL02ABNA0123456789 PL61109010140000071219812874 AT611904300234573201 BE68539007547034"
    " CH9300762011623852957 DK5000400440116243 FI2112345600000785 GR1601101250000000012300695"
    " IE29AIBK93115212345678 IE64IRCE92050112345678 LU280019400644750000 NO9386011117947"
    " PT50000201231234567890154 SE4550000000058398257466 CZ6508000000192000145399"
    " HU42117730161111101800000000 RO49AAAA1B31007593840000 SA0380000000608010167519"
    " TR330006100519786457841326".split()
)
"""The registry's own example of each country, and those of Wikipedia and of banks' test manuals."""


def is_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: every second digit from the right doubled, the sum a multiple of ten."""
    doubled = sum(sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])
    return (doubled + sum(int(d) for d in digits[-1::-2])) % 10 == 0


def is_card(digits: str) -> bool:
    """Whether `digits` can be a payment card: issuer, length, Luhn; neither a test card nor a filler."""
    if (
        len(digits) < 13
        or len(set(digits)) <= 2
        or digits.startswith(_TEST_CARD_BIN)
        or digits in _TEST_CARDS
    ):
        return False
    first = int(digits[:4])
    issued = any(low <= first <= high and len(digits) in sizes for low, high, sizes in _CARD_PREFIXES)
    return issued and is_luhn(digits)


def find_iban_length(country: str) -> int | None:
    """How many characters an IBAN of this country has; null for a country without any."""
    return 4 + sum(map(int, re.findall(r"\d+", _IBANS[country]))) if country in _IBANS else None


def is_iban(code: str) -> bool:
    """Whether `code` (capitals, no spaces) is an account: ISO 13616 form, mod 97; none of the examples."""
    if code in _TEST_IBANS or code[:2] not in _IBANS or not _shape_of(code[:2]).fullmatch(code, 4):
        return False
    turned = "".join(str(int(c, 36)) for c in code[4:] + code[:4])
    return int(turned) % 97 == 1


@lru_cache
def _shape_of(country: str) -> re.Pattern[str]:
    parts = re.findall(r"(\d+)([nac])", _IBANS[country])
    return re.compile("".join(f"[{_CLASSES[kind]}]{{{size}}}" for size, kind in parts))
