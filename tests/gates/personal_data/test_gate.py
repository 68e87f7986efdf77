import csv
import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.errors import ConfigError
from synth_stack.gates.gate import Judge
from synth_stack.gates.personal_data import national_ids
from synth_stack.gates.personal_data.gate import personal_data
from synth_stack.gates.personal_data.kinds import KINDS, MAX_FOUND, Finder, Kind
from synth_stack.gates.personal_data.payment_numbers import is_card, is_iban, is_luhn
from synth_stack.gates.personal_data.policy import Actions
from synth_stack.gates.personal_data.redaction import build_copies
from synth_stack.gates.personal_data.search import Search
from synth_stack.gates.personal_data.values import draw_value
from synth_stack.registry import PARTS, bind, registered
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA, build_candidates, recompute_row_ids
from tests.examples import examples
from tests.gates.dialling import decide_again
from tests.gates.playing import play
from tests.some_rows import MakeRow, TextsTable, make_row

REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "PL")
FINDER = Finder(REGIONS)
UNNAMED = frozenset(KINDS) - {"name", "mention", "birth_date"}
MAILBOX = "anna.keller@kellerpost.de"
CARD = "4539 1488 0343 6467"
SSN = "536-90-4399"


def say(judge: Judge, table: pa.Table) -> pa.Table:
    """What the judge says of a batch of one table."""
    ((verdicts,), _) = play(judge, [table], name="personal_data")
    return verdicts


def find(content: str, before: str = "", finder: Finder = FINDER) -> list[tuple[str, str]]:
    """Kind and value of everything found but names, whatever the hints say."""
    return [(f.kind, content[f.start : f.end]) for f in finder.find(content, before, UNNAMED)]


@pytest.mark.parametrize(
    ("content", "kind", "value"),
    [
        ("Reach me: Anna.Keller+shop@keller-mail.co.uk.", "email", "Anna.Keller+shop@keller-mail.co.uk"),
        ("<bob@firma.de>", "email", "bob@firma.de"),
        ("müller@straße-köln.de schreibt", "email", "müller@straße-köln.de"),
        ("用户@例子.中国", "email", "用户@例子.中国"),
        ("x@xn--80ak6aa92e.com", "email", "x@xn--80ak6aa92e.com"),
        ("jane[at]shoebox[dot]org", "email", "jane[at]shoebox[dot]org"),
        ("jane.doe (at) shoebox.co.uk", "email", "jane.doe (at) shoebox.co.uk"),
        ("jane AT shoebox DOT org is my email", "email", "jane AT shoebox DOT org"),
        ("write to info@shoes.de", "role_email", "info@shoes.de"),
        ("support@gmail.com", "email", "support@gmail.com"),
        ("+49 (0) 30 9018201", "phone", "+49 (0) 30 9018201"),
        ("tel:+493090182012", "phone", "+493090182012"),
        ("0049 30 9018201", "phone", "0049 30 9018201"),
        ("(415)267-1234", "phone", "(415)267-1234"),
        ("1-415-267-1234", "phone", "1-415-267-1234"),
        ("415.267.1234", "phone", "415.267.1234"),
        ("my cell 4152671234, thx", "phone", "4152671234"),
        ("4152671234 is my cell", "phone", "4152671234"),
        ("Handy 01713920567", "phone", "01713920567"),
        ("mon portable : 06 12 34 57 89, merci", "phone", "06 12 34 57 89"),
        ("06.12.34.57.89", "phone", "06.12.34.57.89"),
        ("cellulare 347 123 4568", "phone", "347 123 4568"),
        ("+1 415 267 1234 2026-01-02", "phone", "+1 415 267 1234"),
        ("call me: 415–267–1234", "phone", "415–267–1234"),
        ("+١ ٤١٥ ٢٦٧ ١٢٣٤", "phone", "+١ ٤١٥ ٢٦٧ ١٢٣٤"),
        ("dial 1-800-275-2273", "hotline", "1-800-275-2273"),
        (f"{CARD} exp 12/27 cvv 123", "card", CARD),
        ("4539 1488 0343 6467 124", "card", "4539 1488 0343 6467"),
        ("4539148803436467", "card", "4539148803436467"),
        ("４５３９ １４８８ ０３４３ ６４６７", "card", "４５３９ １４８８ ０３４３ ６４６７"),
        ("4539\u200b1488\u200b0343\u200b6467", "card", "4539\u200b1488\u200b0343\u200b6467"),
        ("4̲539̲ 1488 0343 6467̲", "card", "4̲539̲ 1488 0343 6467"),
        ("jose\u0301@kellerpost.de", "email", "jose\u0301@kellerpost.de"),
        ("IBAN: DE44 5001 0517 5407 3249 31, danke", "iban", "DE44 5001 0517 5407 3249 31"),
        ("gb94barc10201530093459", "iban", "gb94barc10201530093459"),
        ("gb94 barc 1020 1530 0934 59", "iban", "gb94 barc 1020 1530 0934 59"),
        (f"it is {SSN}", "national_id", SSN),
        ("my SSN 536904399", "national_id", "536904399"),
        ("AB 12 34 57 C", "national_id", "AB 12 34 57 C"),
        ("Steuer-ID 86095742719", "national_id", "86095742719"),
        ("1 85 05 78 006 084 91", "national_id", "1 85 05 78 006 084 91"),
        ("DNI 54362315K", "national_id", "54362315K"),
        ("NIE X-2482300W", "national_id", "X-2482300W"),
        ("MRTMTT25D09F205Z", "national_id", "MRTMTT25D09F205Z"),
        ("PESEL 44051401359", "national_id", "44051401359"),
        ("BSN: 100000009", "national_id", "100000009"),
        ("logged in from 91.4.7.9", "ip", "91.4.7.9"),
        ("85.214.132.117:8080", "ip", "85.214.132.117"),
        ("2a02:8109:9ec0:1234::1 answers", "ip", "2a02:8109:9ec0:1234::1"),
        (
            "742 Rowan Street, Apt 4B, Columbus, OH 43004.",
            "address",
            "742 Rowan Street, Apt 4B, Columbus, OH 43004",
        ),
        ("12 Alder Close\nLeeds\nLS6 2QT", "address", "12 Alder Close\nLeeds\nLS6 2QT"),
        ("Lindenstr. 12, 50667 Köln", "address", "Lindenstr. 12, 50667 Köln"),
        ("12 bis rue de la République, 69002 Lyon", "address", "12 bis rue de la République, 69002 Lyon"),
        ("Calle Mayor 12, 3º B, 28013 Madrid", "address", "Calle Mayor 12, 3º B, 28013 Madrid"),
        ("Via Garibaldi 12, 20121 Milano", "address", "Via Garibaldi 12, 20121 Milano"),
        ("Keizersgracht 123, 1015 CJ Amsterdam", "address", "Keizersgracht 123, 1015 CJ Amsterdam"),
        ("ul. Marszałkowska 12/4, 00-590 Warszawa", "address", "ul. Marszałkowska 12/4, 00-590 Warszawa"),
        ("key AKIAIOSFODNN7ABCDEFG", "secret", "AKIAIOSFODNN7ABCDEFG"),
        ("-----BEGIN RSA PRIVATE KEY-----", "secret", "-----BEGIN RSA PRIVATE KEY-----"),
    ],
)
def test_a_value_is_found_as_people_write_it(content: str, kind: str, value: str) -> None:
    assert find(content) == [(kind, value)]


@pytest.mark.parametrize(
    "content",
    [
        "jane@example.com, it@mail.example.org, a@shop.example, b@host.test, c@x.invalid, d@localhost",
        "call 555-0123, (212) 555-0123 or +1 415 555 2671, or (555) 123-4567",
        "London 020 7946 0123, nowhere 01632 960123, mobile 07700 900123, +44 7700 900123",
        "Berlin 030 23125 123, Paris 01 99 00 12 57, 06 39 98 12 57",
        "call 1234567890 or +49 30 12345678 or 0171 1111111",
        "4242 4242 4242 4242, 4111111111111111, 3782 822463 10005, 4000 0025 0000 3155",
        "DE89 3704 0044 0532 0130 00 and GB82WEST12345698765432",
        "SSN 078-05-1120, 123-45-6789, 000-12-3456, 666-12-3456, 900-12-3456",
        "NI number AB 12 34 56 C, DNI 12345678Z, codice fiscale RSSMRA85T10A562S",
        "ip 192.168.1.7, 10.0.0.1, 127.0.0.1, 203.0.113.5, 2001:db8::1, fe80::1, server 8.8.8.8",
        "123 Main Street, Springfield, IL 62704 or Musterstraße 12, 12345 Musterstadt",
        "AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_what_is_kept_for_fiction_and_tests_passes(content: str) -> None:
    assert find(content) == []


@pytest.mark.parametrize(
    "content",
    [
        "Your order 4152671234 is on its way, invoice 2024-000123, ticket 01713920567.",
        "Tracking number: 4539148803436467.",
        "It was on 2026-01-02, on 01/02/2026 and on 12.03.2026 at 10:30, open 0900-1700.",
        "He paid $1,249.00 of 12 345 678 EUR: 600-200-150=<<600-200-150=250>>250, then phone 2400/200.",
        "Update to version 85.214.132.117, see section 4.1.2.3 and 1.2.3.4.",
        "550e8400-e29b-41d4-a716-446655440000 and 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        "ISBN 978-3-16-148410-0, EAN 4006381333931, pi is 3.14159265358979.",
        r"^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}$ and '%s@%s.com'",
        "@app.route('/x') and logo@2x.png and npm i left-pad@1.3.0 and std::max(a, b)",
        "Let us meet at amazon dot com slash deals",
        "If your dog is 10 years old then in his first year",
        "I live in Lindenstraße, in 50667 Köln, near 12 Alder Close.",
        "It did not work with 375748374 yesterday, nor with 19413803D or 12472407562.",
        "4539 1488 0343 6468",
        "DE45 5001 0517 5407 3249 31",
        "12:34:56 and 0a:1b:2c:3d:4e:5f",
        "",
    ],
)
def test_what_only_looks_like_a_value_passes(content: str) -> None:
    assert find(content) == []


def test_a_question_in_the_message_before_says_what_a_number_is() -> None:
    assert find("4152671234") == []
    assert find("4152671234", before="Which phone number can we reach you at?") == [("phone", "4152671234")]


def test_a_word_for_another_number_counts_in_its_own_sentence_only() -> None:
    assert find("My phone is broken. The order is 4152671234") == []
    assert find("The order is late. Call 4152671234") == [("phone", "4152671234")]


def test_two_values_that_overlap_are_one() -> None:
    assert find("pay jane+4539148803436467@shoebox.com") == [("email", "jane+4539148803436467@shoebox.com")]


@pytest.mark.parametrize(
    ("check", "right"),
    [
        (is_luhn, "79927398713"),  # ISO/IEC 7812-1's own example
        (is_card, "4539148803436467"),
        (is_iban, "GR1601101050000010547023795"),
        (is_iban, "BE31435411161155"),
        (national_ids.is_de_tax_id, "36574261809"),  # ELSTER's test number
        (national_ids.is_fr_nir, "253072A07300443"),
        (national_ids.is_fr_nir, "295109912611193"),
        (national_ids.is_es_dni, "54362315K"),
        (national_ids.is_es_dni, "X2482300W"),
        (national_ids.is_it_fiscal_code, "RCCMNL83S18D969H"),
        (national_ids.is_nl_bsn, "232262536"),
        (national_ids.is_pl_pesel, "44051401359"),
    ],
)
def test_published_numbers_pass_their_check_and_fail_with_one_digit_changed(
    check: Callable[[str], bool], right: str
) -> None:
    assert check(right)
    place = max(k for k, c in enumerate(right) if c.isdigit())
    changed = [right[:place] + str((int(right[place]) + k) % 10) + right[place + 1 :] for k in range(1, 10)]
    assert not any(check(wrong) for wrong in changed)


def test_iban_lengths_and_letters_are_those_of_the_country() -> None:
    assert find("IS10 years old then in his first") == []  # mod 97 is right, the form is not
    assert not is_iban("ZZ44500105175407324931")
    assert not is_iban("DE4450010517540732493")


def test_a_row_with_a_card_is_rejected_and_the_verdict_holds_no_value(row: MakeRow) -> None:
    table = build_candidates(
        [
            row(("user", f"Hi! My card {CARD} fails."), ("assistant", "I am sorry."), text=f"Card: {CARD}"),
            row(("user", "Where is my parcel?"), ("assistant", "On its way."), draw=1),
        ]
    )
    bad, good = say(personal_data(), table).to_pylist()
    assert (bad["outcome"], bad["score"], bad["threshold"]) == ("reject", 1.0, 1.0)
    assert (bad["reason"], bad["reason_class"]) == ("personal data: card", "personal_data.card")
    assert json.loads(bad["evidence"]) == {
        "counts": {"card": 2},
        "findings": [
            {"path": "messages.0.content", "kind": "card", "start": 12, "end": 31},
            {"path": "text", "kind": "card", "start": 6, "end": 25},
        ],
        "locale": None,
    }
    assert (good["outcome"], good["score"], good["reason"], good["evidence"]) == ("accept", 0.0, None, None)
    assert good["reason_class"] is None


def conversation(*contents: str, **fields: Any) -> dict[str, Any]:
    """A candidate as generators make it: its text is its messages with a blank line between them."""
    turns = zip(itertools.cycle(("user", "assistant")), contents, strict=False)
    return make_row(*turns, **{"kind": "dialogue", "teacher": "t", **fields})


def test_a_mailbox_is_taken_out_and_the_copy_stands_for_the_row() -> None:
    asked = f"Mail {MAILBOX}, or +49 30 9018201."
    table = build_candidates(
        [conversation(asked, "Done.", slice="a/b", locale="de", extra='{"title":"x"}', seed_id="s")]
    )
    judge = personal_data()
    assert judge.amend is not None
    copies = judge.amend(table, {})
    (original,), (copy,) = table.to_pylist(), copies.to_pylist()
    (verdict,) = say(judge, table).to_pylist()
    assert verdict["outcome"] == "reject"
    assert verdict["reason"] == f"personal data: email, phone, redacted in {copy['row_id']}"
    assert verdict["reason_class"] == "personal_data.email"
    assert json.loads(verdict["evidence"])["replaced_by"] == copy["row_id"]
    assert copy["messages"][0]["content"] == "Mail [EMAIL], or [PHONE]."
    assert copy["text"] == "Mail [EMAIL], or [PHONE].\n\nDone."
    assert json.loads(copy["extra"]) == {
        "title": "x",
        "redacted": [
            {"path": "messages.0.content", "kind": "email", "start": 5, "end": 30},
            {"path": "messages.0.content", "kind": "phone", "start": 35, "end": 49},
        ],
    }
    assert (copy["parent_id"], copy["replayable"]) == (original["row_id"], False)
    kept = set(CANDIDATE_SCHEMA.names) - {"row_id", "messages", "text", "extra", "parent_id", "replayable"}
    assert {name: copy[name] for name in kept} == {name: original[name] for name in kept}
    assert recompute_row_ids(copies) == [copy["row_id"]]
    assert say(judge, copies)["outcome"].to_pylist() == ["accept"]


def test_only_rows_whose_gravest_finding_is_to_be_redacted_get_a_copy() -> None:
    table = build_candidates(
        [
            conversation(f"{MAILBOX} and {CARD}", draw=0),
            conversation(f"{MAILBOX} and 85.214.132.117", draw=1),
            conversation(f"{MAILBOX}", draw=2),
            conversation("nothing", draw=3),
        ]
    )
    judge = personal_data(kinds=Actions(ip="hold"))
    assert judge.amend is not None
    verdicts = say(judge, table).to_pylist()
    assert [v["outcome"] for v in verdicts] == ["reject", "hold", "reject", "accept"]
    assert [v["score"] for v in verdicts] == [1.0, 0.5, 1.0, 0.0]
    assert verdicts[0]["reason"] == "personal data: card, email"
    assert verdicts[1]["reason"] == "personal data: email, ip"
    classes = [v["reason_class"] for v in verdicts]
    assert classes == ["personal_data.card", "personal_data.ip", "personal_data.email", None]
    assert judge.amend(table, {})["parent_id"].to_pylist() == [table["row_id"][2].as_py()]
    assert personal_data(kinds=Actions(email="hold", phone="ignore", address="hold", ip="hold")).amend is None


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (f"Try this:\n\n```python\nsend('{MAILBOX}')\n```\n", "code"),
        (f"Use `send {MAILBOX}` for it.", "code"),
        (f"const to = '{MAILBOX}';", "code"),
        (f"2026-01-02 10:00:00,123 INFO mail.Queue: sent to {MAILBOX}", "a log"),
        (f"Jun 12 04:13:52 combo sendmail[15093]: to=<{MAILBOX}>, stat=Sent", "a log"),
        (f'{{"to": "{MAILBOX}", "cc": null}}', "JSON or a table"),
        (f"The reply was:\n{{'status': 1, 'to': '{MAILBOX}'}}", "JSON or a table"),
        (f"1 2 3.5 7 {MAILBOX} 9 10 11", "JSON or a table"),
    ],
)
def test_a_row_is_held_as_it_is_where_a_placeholder_would_break_code_or_a_log(
    texts_table: TextsTable, content: str, where: str
) -> None:
    table = texts_table([content, f"{content}\n\nAlso write to {MAILBOX}.", "It is fine."])
    judge = personal_data()
    assert judge.amend is not None
    verdicts = say(judge, table).to_pylist()
    assert [v["outcome"] for v in verdicts] == ["hold", "hold", "accept"]
    assert verdicts[0]["reason"] == f"personal data in {where}: email"
    assert verdicts[0]["reason_class"] == "personal_data.email"
    assert json.loads(verdicts[0]["evidence"])["findings"][0]["setting"] in {"code", "log", "data"}
    assert judge.amend(table, {}).num_rows == 0


@pytest.mark.parametrize("action", ["reject", "hold", "ignore"])
def test_code_changes_nothing_where_nothing_would_be_redacted(texts_table: TextsTable, action: str) -> None:
    judge = personal_data(kinds=Actions.model_validate({"email": action}))
    (outcome,) = say(judge, texts_table([f"`{MAILBOX}`"]))["outcome"].to_pylist()
    assert outcome == {"ignore": "accept"}.get(action, action)


def test_a_foreign_text_is_redacted_in_place(texts_table: TextsTable) -> None:
    table = texts_table([f"Mail {MAILBOX}", f"x\u200b{MAILBOX.replace('@', chr(0x200B) + '@')} y"])
    judge = personal_data()
    assert judge.amend is not None
    assert judge.amend(table, {})["text"].to_pylist() == ["Mail [EMAIL]", "[EMAIL] y"]


def test_other_columns_of_a_foreign_row_are_read_and_redacted(texts_table: TextsTable) -> None:
    (row,) = texts_table(["Hello."]).to_pylist()
    extra = {
        "customer": f"Anna\n{MAILBOX}",
        "phones": ['a "quoted" +49 30 9018201'],
        "card": 4539148803436467,
    }
    judge = personal_data(kinds=Actions(card="redact"))
    assert judge.amend is not None
    table = build_candidates([{**row, "extra": json.dumps(extra)}])
    (verdict,), (copy,) = say(judge, table).to_pylist(), judge.amend(table, {}).to_pylist()
    assert json.loads(verdict["evidence"])["counts"] == {"email": 1, "phone": 1, "card": 1}
    after = json.loads(copy["extra"])
    assert [entry["path"] for entry in after.pop("redacted")] == ["extra"] * 3
    assert after == {"customer": "Anna\n[EMAIL]", "phones": ['a "quoted" [PHONE]'], "card": "[CARD]"}
    assert say(judge, build_candidates([copy]))["outcome"].to_pylist() == ["accept"]


@pytest.mark.parametrize("extra", ["[1, 2]", "{", "no json"])
def test_a_row_whose_extra_is_no_object_is_rejected_without_a_copy(
    texts_table: TextsTable, extra: str
) -> None:
    (row,) = texts_table([MAILBOX]).to_pylist()
    table = build_candidates([{**row, "extra": extra}])
    judge = personal_data()
    assert judge.amend is not None
    (verdict,) = say(judge, table).to_pylist()
    assert (verdict["outcome"], verdict["reason"]) == (
        "reject",
        "personal data: email, no clean copy can be made",
    )
    assert judge.amend(table, {}).num_rows == 0
    assert judge.amend(table, {}).schema == CANDIDATE_SCHEMA


def test_a_list_of_mailboxes_is_rejected_without_a_copy_and_with_short_evidence(
    texts_table: TextsTable,
) -> None:
    many = " ".join(f"name{k}@kellerpost.de" for k in range(3 * MAX_FOUND))
    (verdict,) = say(personal_data(), texts_table([many])).to_pylist()
    evidence = json.loads(verdict["evidence"])
    assert verdict["reason"].endswith("no clean copy can be made")
    assert len(evidence["findings"]) == 100
    assert evidence["counts"] == {"email": MAX_FOUND}


def test_a_copy_keeps_the_values_that_are_ignored(texts_table: TextsTable) -> None:
    table = texts_table([f"{MAILBOX} or info@shoes.de or 1-800-275-2273"])
    judge = personal_data()
    assert judge.amend is not None
    assert judge.amend(table, {})["text"].to_pylist() == ["[EMAIL] or info@shoes.de or 1-800-275-2273"]
    all_out = personal_data(kinds=Actions(role_email="redact", hotline="redact"))
    assert all_out.amend is not None
    assert all_out.amend(table, {})["text"].to_pylist() == ["[EMAIL] or [EMAIL] or [PHONE]"]


def test_ignored_values_stand_in_the_evidence_of_an_accepted_row(texts_table: TextsTable) -> None:
    (verdict,) = say(personal_data(), texts_table(["info@shoes.de"])).to_pylist()
    assert (verdict["outcome"], verdict["score"], verdict["reason"]) == ("accept", 0.0, None)
    assert json.loads(verdict["evidence"])["counts"] == {"role_email": 1}


def test_the_rows_of_a_locale_can_have_actions_of_their_own() -> None:
    locales = ["de-AT", "de", "de_AT", "fr", None]
    table = build_candidates([conversation(MAILBOX, draw=k, locale=name) for k, name in enumerate(locales)])
    judge = personal_data(by_locale={"de": {"email": "hold"}, "de-AT": {"email": "ignore"}})
    outcomes = say(judge, table)["outcome"].to_pylist()
    assert outcomes == ["accept", "hold", "accept", "reject", "reject"]


def test_locales_say_whose_formats_are_looked_for() -> None:
    rows = [
        conversation("PESEL 44051401359", draw=0),
        conversation("PESEL 44051401359", draw=1, locale="pl-PL"),
        conversation("0664 1234099", draw=2),
        conversation("0664 1234099", draw=3, locale="de-AT"),
    ]
    judge = personal_data(locales=["en-US"], kinds=Actions(phone="reject"))
    outcomes = say(judge, build_candidates(rows))["outcome"].to_pylist()
    assert outcomes == ["accept", "reject", "accept", "reject"]
    assert judge.facts["regions"] == ["US"]


def test_what_belongs_to_the_house_passes(texts_table: TextsTable) -> None:
    table = texts_table(
        ["jane@shoes.de", "jane@mail.shoes.de", "jane@myshoes.de", "+49 30 9018201", "030 9018302"]
    )
    judge = personal_data(own=["shoes.de", "+49309018201"])
    assert say(judge, table)["outcome"].to_pylist() == ["accept", "accept", "reject", "accept", "reject"]


def test_a_locale_without_telephones_is_refused() -> None:
    with pytest.raises(ConfigError, match="locale of no country"):
        personal_data(locales=["en", "xx"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"kinds": {"email": "delete"}},
        {"kinds": {"e-mail": "reject"}},
        {"kinds": "reject"},
        {"locales": []},
        {"locales": ["German"]},
        {"by_locale": {"de": {"email": "no"}}},
        {"by_locale": {"de": {"mail": "hold"}}},
        {"own": ["@shoes.de"]},
        {"own": ["030 9018201"]},
    ],
)
def test_parameters_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"gates\[0\]: " + next(iter(wrong))):
        bind("gate", "personal_data", wrong, where="gates[0]")


def test_a_gate_file_entry_binds() -> None:
    params = {"kinds": {"email": "hold"}, "locales": ["de"], "by_locale": {"de": {"ip": "ignore"}}}
    bound = bind("gate", "personal_data", params, where="gates[0]")
    judge: Judge = bound.make()
    assert bound.params["kinds"]["card"] == "reject"
    assert judge.facts["phonenumbers"]
    assert set(judge.facts["lists"]) == {"given_names", "top_level_domains"}
    assert registered("gate")["personal_data"].reads == PARTS


@pytest.mark.parametrize("nothing", [None, "", " \n"])
def test_a_row_with_nothing_to_read_is_abstained_on(texts_table: TextsTable, nothing: str | None) -> None:
    (verdict,) = say(personal_data(), texts_table([nothing])).to_pylist()
    assert (verdict["outcome"], verdict["score"]) == ("abstain", None)
    assert verdict["reason"].startswith("nothing to read: ")
    assert verdict["reason_class"] == "personal_data.nothing_to_read"


def test_an_empty_table_has_no_verdicts_and_no_copies() -> None:
    judge = personal_data()
    assert judge.amend is not None
    verdicts, copies = (
        say(judge, CANDIDATE_SCHEMA.empty_table()),
        judge.amend(CANDIDATE_SCHEMA.empty_table(), {}),
    )
    assert (verdicts.num_rows, verdicts.schema) == (0, VERDICT_SCHEMA)
    assert (copies.num_rows, copies.schema) == (0, CANDIDATE_SCHEMA)


def test_a_message_that_is_null_and_a_text_that_is_no_utf8_hide_nothing(row: MakeRow) -> None:
    table = build_candidates([row(("user", None), ("assistant", MAILBOX)), row(("user", MAILBOX), draw=1)])
    torn = pa.array([b"\xff\xfe", b"ok"], pa.binary()).view(pa.string())
    table = table.set_column(table.schema.get_field_index("text"), "text", torn)
    assert say(personal_data(), table)["outcome"].to_pylist() == ["reject", "reject"]


@pytest.mark.parametrize(
    "unit",
    [
        "a@",
        "a.",
        "1 ",
        "1234 ",
        "(1",
        "A ",
        "1 A St A ",
        " (at) ",
        "a at b dot ",
        "DE44 ",
        "2a:",
        "\u200b",
        "é1",
    ],
)
def test_hostile_texts_are_judged(texts_table: TextsTable, unit: str) -> None:
    hostile = unit * (50_000 // len(unit)) + f" {MAILBOX}"
    (outcome,) = say(personal_data(), texts_table([hostile]))["outcome"].to_pylist()
    assert outcome in {"reject", "hold"}


def test_a_row_is_judged_alone_and_in_company_alike(texts_table: TextsTable) -> None:
    table = texts_table([MAILBOX, "x", CARD, None, "info@shoes.de", SSN] * 20)
    judge = personal_data()
    apart = pa.concat_tables([say(judge, table.slice(k, 7)) for k in range(0, len(table), 7)])
    assert apart.to_pylist() == say(judge, table).to_pylist()


WORDS = st.sampled_from(
    [
        "a",
        "x@y",
        "@",
        ".",
        "de",
        "4",
        "12",
        "4539 1488 ",
        "0343 6467",
        " ",
        "-",
        "\n",
        "+49 30 90",
        "18201",
        "\u200b",
        "４",
        "٣",
        "–",
        "\xa0",
        "(at)",
        " dot ",
        "IBAN DE44 5001 0517 5407 3249 31",
        "gb94 barc ",
        "1020 1530 0934 59",
        "tel ",
        "\u1680",
        "\u0301",
        "ﬁ",
        "②",
        "½",
        "Lindenweg 7, ",
        "50667 Köln",
        "1.2.3.",
        "85.2",
        "2a02:",
        "::1",
        "ghp_",
        "call me on ",
        "phone: ",
        "0171 3920567",
        "PO Box 12 ",
        "Apt. 4 ",
        "lives at 7 ",
        "12 Rowan ",
        "my name is ",
        "Anna Keller ",
        "Dr. ",
        "born on 1. May 1980",
        "DOB: 01/02/1980",
        MAILBOX,
        CARD,
        SSN,
    ]
)


@settings(max_examples=examples(100))
@given(st.lists(st.lists(WORDS, max_size=14).map("".join), min_size=1, max_size=4))
def test_the_sieve_loses_nothing_that_a_close_look_finds(contents: list[str]) -> None:
    units = pl.DataFrame({"row": range(len(contents)), "path": ["text"] * len(contents), "content": contents})
    found = Search(REGIONS, frozenset()).run(units, [None] * len(contents))
    for k, content in enumerate(contents):
        assert [one.value for one in found.get(k, [])] == FINDER.find(content, "", KINDS)


@settings(max_examples=examples(30))
@given(st.lists(st.lists(WORDS, max_size=14).map("".join), min_size=1, max_size=3))
def test_a_copy_is_always_clean_and_named_by_the_verdict(contents: list[str]) -> None:
    judge = personal_data(kinds=Actions(card="redact", iban="redact", national_id="redact", secret="redact"))
    assert judge.amend is not None
    table = build_candidates([conversation(*contents)])
    copies = judge.amend(table, {})
    assert set(say(judge, copies)["outcome"].to_pylist()) <= {"accept", "abstain"}
    (verdict,) = say(judge, table).to_pylist()
    named = json.loads(verdict["evidence"] or "{}").get("replaced_by")
    assert [named] == (copies["row_id"].to_pylist() or [None])


def test_each_kind_is_found_and_honest_texts_pass(texts_table: TextsTable) -> None:
    rng = random.Random(3)
    drawn_kinds = sorted(UNNAMED - {"place", "hotline"})
    kinds: list[Kind] = [drawn_kinds[k % len(drawn_kinds)] for k in range(400)]
    drawn = [(kind, *draw_value(kind, rng, REGIONS)) for kind in kinds]
    texts = [f"Thanks. My {called} is {value}, as I said." for _, value, called in drawn]
    honest = [
        f"Order {rng.randrange(10**9, 10**10)} of 2026-0{k % 9 + 1}-12: {k}.50 EUR." for k in range(400)
    ]
    verdicts = say(personal_data(), texts_table(texts + honest)).to_pylist()
    found = [json.loads(v["evidence"])["counts"] if v["evidence"] else {} for v in verdicts]
    caught = sum(kind in counts for kind, counts in zip(kinds, found, strict=False))
    assert caught >= 0.98 * len(kinds)
    assert not any(found[len(kinds) :])
    for (_, value, _), verdict in zip(drawn, verdicts, strict=False):
        assert value not in f"{verdict['reason']} {verdict['evidence']}"


MIXED = [
    f"`{MAILBOX}`",
    CARD,
    MAILBOX,
    "85.214.132.117",
    f"{CARD} 85.214.132.117",
    "info@shoes.de",
    "nothing",
    None,
    SSN,
]


@pytest.mark.parametrize(
    "kinds",
    [
        {},
        {"card": "hold"},
        {"card": "ignore", "national_id": "hold"},
        {"role_email": "reject", "ip": "reject"},
        {"card": "ignore", "iban": "ignore", "national_id": "ignore", "ip": "ignore", "email": "redact"},
    ],
)
def test_other_actions_decide_again_as_judging_again_would(
    texts_table: TextsTable, kinds: dict[str, str]
) -> None:
    table = texts_table(MIXED)
    old, new = (
        bind("gate", "personal_data", {"kinds": {"ip": "hold", **changed}}, where="g")
        for changed in ({}, kinds)
    )
    judge: Judge = old.make()
    again = decide_again(say(judge, table), judge.dials, new.params, {"kinds": {**old.params["kinds"]}})
    assert [{"redact": "reject"}.get(word, word) for word in again] == say(new.make(), table)[
        "outcome"
    ].to_pylist()


def test_each_kind_has_a_dial_and_a_class_of_its_own_the_gravest_first() -> None:
    dials = personal_data(kinds=Actions(ip="hold")).dials
    assert {dial.score for dial in dials} == {f"counts.{kind}" for kind in UNNAMED}
    assert {dial.outcome for dial in dials} == {f"kinds.{kind}" for kind in UNNAMED}
    assert {dial.classes for dial in dials} == {(f"personal_data.{kind}",) for kind in UNNAMED}
    assert [dial.outcome for dial in dials[:5]] == [
        f"kinds.{kind}" for kind in ("secret", "iban", "card", "national_id", "ip")
    ]
    assert {(dial.threshold, dial.rejects, dial.parameter) for dial in dials} == {(1, ">=", None)}


def test_a_kind_that_was_not_looked_for_has_no_dial() -> None:
    named = personal_data(kinds=Actions(name="hold")).dials
    assert {dial.outcome for dial in named} == {f"kinds.{kind}" for kind in UNNAMED | {"name"}}


def test_where_locales_have_actions_of_their_own_no_dial_can_be_turned() -> None:
    assert personal_data(by_locale={"de": {"card": "hold"}}).dials == ()


def test_copies_of_none_are_an_empty_table() -> None:
    assert build_copies([]).schema == CANDIDATE_SCHEMA


@pytest.mark.corpora
def test_public_corpora_hold_as_little_as_documented(corpora: Path, texts_table: TextsTable) -> None:
    def read(path: Path) -> list[str]:
        with path.open(encoding="utf-8", newline="") as file:
            return [row["text"] for row in csv.DictReader(file)]

    queries = [text for part in ("train", "test") for text in read(corpora / "banking77" / f"{part}.csv")]
    lines = (corpora / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    sums = ["\n".join(json.loads(line).values()) for line in lines]
    assert set(say(personal_data(), texts_table(queries + sums))["outcome"].to_pylist()) == {"accept"}
