"""What looks like a telephone number or a mailbox and is none, by the kind of text that it stands in."""

import random
import re

import pytest

from synth_stack.gates.personal_data.controls import _INNOCENT
from synth_stack.gates.personal_data.gate import personal_data
from synth_stack.gates.personal_data.kinds import KINDS, Finder
from tests.gates.playing import play
from tests.some_rows import make_texts

REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "PL")
FINDER = Finder(REGIONS)
UNNAMED = frozenset(KINDS) - {"name", "mention", "birth_date"}
DRAWS = 25

LOGS = (
    "17-06-%# 1%:##:## ERROR cluster.call failed after ####### ms, contact node ##########",
    "2026-0%-1%T1%:##:##.###Z [WARN] sms.gateway text=########## phone_id=##########",
    "0%-1% 1%:##:##.###  1%##  2%## I PhoneInterfaceManager: [PhoneIntfMgr] getDataEnabled: subId=1 ##########",
    "Jun 1% 0%:##:## combo ftpd[1%###]: call 0%## ### ####",
    "08110% 20%### 1## INFO dfs.DataNode$DataXceiver: Receiving block blk_-################### src: /10.250.1#.1##:5%### dest",
    "[Sun Dec 0% 0%:##:## 2025] [notice] jk2_init() Found child %### in scoreboard slot 1#, call %###-###-####",
    "- 11%#######% 2005.06.03 R02-M1-N0-C:J12-U11 RAS KERNEL INFO ####### call",
    "pid=1%###, uid=10##, tel=0171 3%#####, gid=%###",
)
CODE = (
    "x = call(%########, 2147483647)",
    "MOBILE_ID = 415267####\ncontact = 0171392####",
    "const text = pad('%##-##-####', 0x%########);",
    "for (int i = 0; i < 2124561###; i++) { phone += i; }",
    "y = (q@k.T).to(dev); z = a@b.real; w = M@v.dot(u); n = W@x.name",
    "@pytest.mark.parametrize('a', [1])\n@app.get('/x')\ndef call(): return 4152671###",
    "git remote add origin git@gitlab.com:group/tool.git",
    "rsync -av build/ deploy@build.sh:/srv",
    "https://user@host.de/path and ssh://git@forge.io/a and //me@here.com/x",
    "npm i @scope/pkg@%.#.# vue@next.js eslint@8.#.# && pip install tool@2.dev",
    "```\nphone = %########%\n```",
)
PAPERS = (
    "See arXiv:2%01.0#### and doi:10.1%##/j.cell.2021.0%.0## (PMID 3#######).",
    "ISBN 978-0-%##-#####-#, ISSN 1%##-####, pp. 123-1###.",
    "The star lies at 12 34 56.7# -12 34 56 (J2000), 1 ### ### pc away; call it 2MASS J0%######.",
    "Table 2 lists 0.%## 0.### 0.### and %.##e-0# for the ##########-sample run, text of ### words.",
    "The mean was 415.26 on a scale that we call 7.1#.2#.3# after its cell.",
    "In the years 1939-1945 1947-1953 and 2001 2002 2003 2004 we contacted 1 ### ### households.",
)
TABLES = (
    "| id | calls |\n|---|---|\n| ########## | 415-267-#### |",
    "run\tphone_share\n1%\t0.#######\n2%\t0%## ### ####",
    "1%  2#  3#  4#  5#  6#\n0% 1# 2# 3# 4#",
    "02 46 81 35 79\n01 35 79 24 68",
    "year,calls,texts\n2019,1######,2######\n2020,1######,2######",
)
PROSE = (
    "I was charged twice for my phone.\n2026 12# ####\n2025 13# ####",
    "She put it beside the telephone. 4##### 5##### 6##### are what the meters said.",
    "A call costs 0.%# a minute, so %### calls of ### seconds are 1,###,###.",
    "Her text has 12%##### characters, and his phone 128000000000 bytes.",
    "Contact lenses come in lots of 1%######, of which 4#####% were recalled.",
    "The ship's call took place on 24.12.19##, the second on 09-12 13-18.",
    "Multiply %######## by 7 and add 2124561###, then call the result x.",
    "Your case 415267#### was opened on 2026-01-1%, ticket 0171 3%#####.",
    "The population is 8 ### ### and the code %########.",
    "Copy backup@2024.zip, clip@1080.mov, icon@2x.app and a@b.to over.",
)


def draw(shapes: tuple[str, ...]) -> list[str]:
    rng = random.Random(" ".join(shapes))
    return [
        re.sub("[#%]", lambda mark: str(rng.randrange(mark[0] == "%", 10)), shape)
        for shape in shapes
        for _ in range(DRAWS)
    ]


@pytest.mark.parametrize("shapes", [LOGS, CODE, PAPERS, TABLES, PROSE, *map(tuple, _INNOCENT.values())])
def test_nothing_is_found_in_near_misses(shapes: tuple[str, ...]) -> None:
    found = {
        text: [(f.kind, text[f.start : f.end]) for f in FINDER.find(text, "", UNNAMED)]
        for text in draw(shapes)
    }
    assert {text: values for text, values in found.items() if values} == {}


def test_near_misses_pass_the_gate_and_come_out_as_they_went_in() -> None:
    texts = [text for shapes in (LOGS, CODE, PAPERS, TABLES, PROSE) for text in draw(shapes)]
    ((verdicts,), _) = play(personal_data(), [make_texts(texts)], name="personal_data")
    assert set(verdicts["outcome"].to_pylist()) == {"accept"}


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("Please call me at 415-267-1234 tomorrow.", "415-267-1234"),
        ("You can text us on 0171 3920567.", "0171 3920567"),
        ("Desk: 030 9018201\nMobile: 9320 7126", "9320 7126"),
        ("Mon portable, c'est le 06 12 34 57 89.", "06 12 34 57 89"),
        ("Meine Handynummer lautet 0171/3920567.", "0171/3920567"),
        ("Llámame al 612 34 57 89", "612 34 57 89"),
        ("Zadzwoń pod 512 889 687", "512 889 687"),
        ("我的手机号是 13812345698。", "13812345698"),
        ("電話番号：03-1234-9876", "03-1234-9876"),
        ("мой телефон 8 912 345-98-76", "8 912 345-98-76"),
        ("fax 259.735.7502x459", "259.735.7502x459"),
        ("| name | phone |\n|---|---|\n| Anna | 9320 7126 |", "9320 7126"),
        ("name\tMobile no.\nAnna\t612 34 57 89", "612 34 57 89"),
        ('{"name": "Anna", "phone": "415-267-1234"}', "415-267-1234"),
        ("phone = '415-267-1234'", "415-267-1234"),
        ("2026-01-01 10:00:00 INFO sms sent to phone: +49 171 3920567", "+49 171 3920567"),
    ],
)
def test_a_number_is_found_where_something_says_what_it_is(content: str, value: str) -> None:
    assert value in [content[f.start : f.end] for f in FINDER.find(content, "", {"phone"})]


def test_a_label_may_end_in_a_stop_of_its_own_and_not_in_that_of_a_sentence() -> None:
    labelled, ended = (
        FINDER.find(text, "", {"phone"}) for text in ("Tel. 4152671234", "My phone. 4152671234")
    )
    assert [len(labelled), len(ended)] == [1, 0]


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        ("The restaurant Luna is in Linden Street. The phone number is 415-267-1234.", ["hotline"]),
        ("I work at the hotel, but call me on my mobile: 415-267-1234.", ["phone"]),
        ("The museum is at 742 Rowan Street, Columbus, OH 43004.", ["place"]),
        ("I live at 742 Rowan Street, Columbus, OH 43004, beside the museum.", ["address"]),
    ],
)
def test_what_reaches_a_business_reaches_no_person(content: str, kinds: list[str]) -> None:
    assert [f.kind for f in FINDER.find(content, "", UNNAMED)] == kinds


@pytest.mark.parametrize(
    "content",
    [
        "john.doe@gmail.com, user@yahoo.com, your.name@outlook.com",
        "someone@company.com, a@yourdomain.org, me@email.com, x@test.com",
        "<20050621.1420001.j5L4@mail.server.de>",
    ],
)
def test_a_mailbox_of_nobody_passes(content: str) -> None:
    assert FINDER.find(content, "", UNNAMED) == []


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("jan.kowalski@poczta.pl", "jan.kowalski@poczta.pl"),
        ("Anna <anna@libero.it>", "anna@libero.it"),
        ("my e-mail is anna@keller.dev", "anna@keller.dev"),
        ("git@kellerpost.de wrote", "git@kellerpost.de"),
        ("contact = 'anna.keller@kellerpost.de'", "anna.keller@kellerpost.de"),
        ("mailto:anna@kellerpost.de", "anna@kellerpost.de"),
    ],
)
def test_a_mailbox_is_found_beside_code_and_at_doubtful_domains(content: str, value: str) -> None:
    assert [content[f.start : f.end] for f in FINDER.find(content, "", UNNAMED)] == [value]
