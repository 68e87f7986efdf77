"""Measures the personal data gate on values of known truth, and times it beside Presidio's recognisers.

    python benchmarks/personal_data.py                             recall and precision, about 20 seconds
    python benchmarks/personal_data.py --locales                   recall by kind and country
    python benchmarks/personal_data.py --rows 500000               time and memory

Values are drawn with their check digits right, written in several ways each, and put into sentences of
support conversations. The hard negatives are what looks like them: order and tracking numbers, dates, sums,
versions, hashes, numbers with one digit wrong, and what is reserved for fiction. Intervals: Wilson, 95%.

Presidio is measured by its pattern recognisers alone, without a language model, by the interpreter that
--presidio names (presidio-analyzer and this package need no common environment).
"""

import argparse
import json
import random
import re
import resource
import subprocess
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from synth_stack.gates.gate import NO_STATE
from synth_stack.gates.personal_data.gate import personal_data
from synth_stack.gates.personal_data.kinds import KINDS, Kind
from synth_stack.gates.personal_data.policy import Actions
from synth_stack.gates.personal_data.values import draw_value
from synth_stack.rows.schemas import build_candidates
from synth_stack.stats.intervals import wilson

SEED = 11
SHARD_ROWS = 10_000
REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "PL")
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
STYLES: Mapping[Kind, Sequence[str]] = {
    "email": ("plain", "alone", "(at) (dot)", "spoken", "zero-width"),
    "phone": ("plain", "alone", "digits", "digits alone", "full-width"),
    "card": ("plain", "alone", "digits", "full-width"),
    "iban": ("plain", "digits", "lower case", "alone"),
    "national_id": ("plain", "alone"),
    "ip": ("plain", "alone"),
    "address": ("plain", "two lines"),
    "secret": ("plain",),
}
"""Ways of writing by kind; "alone" stands in a sentence that does not say what the value is."""

SAID: Mapping[Kind, Sequence[str]] = {
    "email": ("My e-mail is {}.", "Please mail the label to {}, thanks!", "Meine E-Mail: {}"),
    "phone": ("Please call me on {} after six.", "My mobile is {}.", "Telefon: {}", "Mon téléphone : {}"),
    "card": ("The card I paid with is {}.", "Please charge it to {} again.", "Kartennummer {}, danke."),
    "iban": ("Please refund it to {}.", "My account is {}, at the same bank.", "IBAN: {}"),
    "national_id": (
        "My {called} is {}.",
        "{called}: {}",
        "For the record, my {called} is {}, as on the card.",
    ),
    "ip": ("I was logged in from the IP address {}.", "Your server {} does not answer."),
    "address": ("Please deliver it to {}.", "I moved to {} last week.", "Neue Adresse: {}"),
    "secret": ("The key I used is {}.", "token = '{}'"),
}
ALONE = ("{}", "Here it is: {}.", "It did not work with {} yesterday.")
NOISE = (
    "My parcel has not arrived yet, and it has been nine days since I was told that it left the warehouse.",
    "I ordered two pairs of boots on 12 March 2026 and paid 149.90 EUR for both of them.",
    "The app says version 4.12.3 and the order is still open, whatever I press.",
    "Thank you for your patience, we will look into it within 3 working days and write to you.",
    "It is order 1048-22913, placed at 14:35 on 2026-03-12, and the total was $1,249.00.",
    "You can return it within 30 days; the form is at https://shop.example/returns/20260312.",
)
HELPER = """
import json, resource, sys
from presidio_analyzer import predefined_recognizers as p
names = ("EmailRecognizer PhoneRecognizer CreditCardRecognizer IbanRecognizer IpRecognizer UsSsnRecognizer "
         "UkNinoRecognizer NinoRecognizer DeTaxIdRecognizer EsNifRecognizer EsNieRecognizer "
         "ItFiscalCodeRecognizer PlPeselRecognizer").split()
recognizers = [getattr(p, name)() for name in names if hasattr(p, name)]
recognizers[1] = p.PhoneRecognizer(supported_regions=("US", "GB", "DE", "FR", "ES", "IT", "NL", "PL"))
texts = json.load(sys.stdin)
before = resource.getrusage(resource.RUSAGE_SELF)
found = [
    [
        (hit.entity_type, hit.start, hit.end, hit.score)
        for one in recognizers
        for hit in one.analyze(text, one.supported_entities, None) or []
    ]
    for text in texts
]
after = resource.getrusage(resource.RUSAGE_SELF)
seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
json.dump({"found": found, "seconds": seconds}, sys.stdout)
"""
EQUIVALENT: Mapping[str, Kind] = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip",
    "US_SSN": "national_id",
    "UK_NINO": "national_id",
    "DE_TAX_ID": "national_id",
    "ES_NIF": "national_id",
    "ES_NIE": "national_id",
    "IT_FISCAL_CODE": "national_id",
    "PL_PESEL": "national_id",
}
MIN_SCORE = 0.4
"""Presidio's own score for a telephone number, its least sure kind; below are shapes without any check."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and where its one value stands, of which kind and how written; no kind for a hard negative."""

    text: str
    label: str
    kind: str | None = None
    start: int = 0
    end: int = 0


EVERY_KIND = Actions.model_validate(dict.fromkeys(KINDS, "hold"))
IN_WORDS: Mapping[Kind, Mapping[str, Sequence[str]]] = {
    "phone": {
        "US": ("Call me on {} after six.", "My cell is {}.", "Phone: {}", "{} is my mobile."),
        "DE": ("Rufen Sie mich unter {} an.", "Meine Handynummer: {}", "Tel. {}", "Erreichbar unter {}."),
        "FR": ("Appelez-moi au {}.", "Mon portable : {}", "Tél. : {}", "Mon numéro est le {}."),
        "ES": ("Llámame al {}.", "Mi móvil es {}.", "Teléfono: {}", "Mi número es {}."),
        "IT": ("Chiamami al {}.", "Il mio cellulare è {}.", "Tel.: {}", "Il mio numero è {}."),
        "NL": ("Bel me op {}.", "Mijn mobiel is {}.", "Telefoon: {}", "Mijn nummer is {}."),
        "PL": ("Zadzwoń do mnie pod {}.", "Mój telefon: {}", "tel. {}", "Mój numer to {}."),
    },
    "address": {
        "US": ("I live at {} now.", "My new address is {}.", "Please deliver it to {}."),
        "DE": ("Ich wohne in der {}.", "Meine Adresse: {}", "Bitte liefern an {}."),
        "FR": ("J'habite au {}.", "Mon adresse : {}", "Livrez au {}."),
        "ES": ("Vivo en {}.", "Mi dirección: {}", "Entregar en {}."),
        "IT": ("Abito in {}.", "Il mio indirizzo: {}", "Consegnare in {}."),
        "NL": ("Ik woon op {}.", "Mijn adres: {}", "Bezorgen op {}."),
        "PL": ("Mieszkam przy {}.", "Mój adres: {}", "Proszę dostarczyć na {}."),
    },
    "name": {
        "US": ("My name is {}.", "Dear {},\nit left.", "Kind regards,\n{}"),
        "DE": ("Mein Name ist {}.", "Liebe {},\nsie ging ab.", "Mit freundlichen Grüßen\n{}"),
        "FR": ("Je m'appelle {}.", "Bonjour {},\nil est parti.", "Cordialement,\n{}"),
        "ES": ("Me llamo {}.", "Hola {},\nya salió.", "Saludos,\n{}"),
        "IT": ("Mi chiamo {}.", "Ciao {},\nè partito.", "Cordiali saluti,\n{}"),
        "NL": ("Mijn naam is {}.", "Beste {},\nhet is weg.", "Met vriendelijke groet,\n{}"),
        "PL": ("Nazywam się {}.", "Imię i nazwisko: {}", "Pozdrawiam,\n{}"),
    },
    "mention": {"US": ("I met {} yesterday.", "Ask {} about it.")},
    "birth_date": {
        "US": ("Date of birth: {}", "I was born on {}."),
        "DE": ("Geburtsdatum: {}", "geb. {}"),
        "FR": ("Date de naissance : {}", "née le {}"),
        "ES": ("Fecha de nacimiento: {}",),
        "IT": ("Data di nascita: {}", "nato il {}"),
        "NL": ("Geboortedatum: {}",),
        "PL": ("Data urodzenia: {}",),
    },
    "national_id": {"US": ("My {called} is {}.", "{called}: {}")},
    "iban": {"US": ("Please refund it to {}.", "IBAN: {}")},
}
"""Sentences by kind and country, English where there are none."""

Spans = Sequence[Sequence[tuple[str, int, int]]]
"""Kind, start and end of what was found in each text."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--values", type=int, default=300, help="texts of each label")
    parser.add_argument("--rows", type=int, default=0, help="time so many conversations instead")
    parser.add_argument("--locales", action="store_true", help="print recall by kind and country instead")
    parser.add_argument("--presidio", help="a Python interpreter that has presidio-analyzer")
    parser.add_argument("--show", action="store_true", help="print each text that was judged wrongly")
    args = parser.parse_args()
    if args.rows:
        measure_speed(args.rows)
    elif args.locales:
        measure_locales(args.values)
    else:
        measure_truth(args.values, args.presidio, show=args.show)


def measure_truth(values: int, presidio: str | None, *, show: bool) -> None:
    rng = random.Random(SEED)
    truth = [*make_positives(rng, values), *make_negatives(rng, values)]
    texts = [one.text for one in truth]
    print(f"{len(truth)} texts, {sum(one.kind is not None for one in truth)} with a value")
    found, ours = find_ours(texts)
    report("synth_stack", truth, found, show=show)
    print(f"  {len(texts) / ours:,.0f} texts per CPU second")
    if presidio is None:
        return
    command = [presidio, "-W", "ignore", "-c", HELPER]
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    theirs = [
        [(EQUIVALENT[name], start, end) for name, start, end, score in hits if is_counted(name, score)]
        for hits in result["found"]
    ]
    report("presidio", truth, theirs, show=show)
    seconds = result["seconds"]
    print(f"  {len(texts) / seconds:,.0f} texts per CPU second: {seconds / ours:.0f} times our time")


def is_counted(name: str, score: float) -> bool:
    return name in EQUIVALENT and score >= MIN_SCORE


def report(name: str, truth: Sequence[Labelled], found: Spans, *, show: bool) -> None:
    hit, tried, right, wrong = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for one, spans in zip(truth, found, strict=True):
        mine = [s for s in spans if s[0] == one.kind and s[1] < one.end and one.start < s[2]]
        other = [s for s in spans if s not in mine]
        tried[one.label] += 1
        hit[one.label] += bool(mine) if one.kind else bool(spans)
        right.update(kind for kind, _, _ in mine[:1])
        wrong.update(kind for kind, _, _ in other)
        if show and (other or (one.kind and not mine)):
            print(f"    {one.label}: {one.text!r} {[(k, one.text[a:b]) for k, a, b in spans]}")
    labels = {one.label: one.kind for one in truth}
    print(f"\n{name}: recall")
    for label in (label for label, kind in labels.items() if kind):
        print(f"  {label:28} {share(hit[label], tried[label])}")
    print(f"{name}: hard negatives in which something is found")
    for label in (label for label, kind in labels.items() if not kind):
        print(f"  {label:28} {share(hit[label], tried[label])}")
    print(f"{name}: precision over all these texts")
    for kind in dict.fromkeys(kind for kind in labels.values() if kind):
        print(f"  {kind:28} {share(right[kind], right[kind] + wrong[kind])}")


def share(part: int, whole: int) -> str:
    low, high = wilson(part, whole)
    return f"{part:5} of {whole:5}  {part / max(whole, 1):.3f}  [{low:.3f}, {high:.3f}]"


def make_positives(rng: random.Random, values: int) -> Iterator[Labelled]:
    for kind, styles in STYLES.items():
        for style in styles:
            for k in range(values):
                value, called = draw_value(kind, rng, (REGIONS[k % len(REGIONS)],))
                written = write(value, style)
                said = rng.choice(ALONE if "alone" in style else SAID[kind]).replace("{called}", called)
                front, _, behind = said.partition("{}")
                head = f"{rng.choice(NOISE)} {front}" if rng.random() < 0.5 else front
                label = f"{kind} {called} {style}" if kind == "national_id" else f"{kind} {style}"
                yield Labelled(f"{head}{written}{behind}", label, kind, len(head), len(head) + len(written))


def write(value: str, style: str) -> str:
    """The value as somebody writes it; a telephone number in digits keeps its plus."""
    if style.startswith("digits"):
        return re.sub(r"[^\w+]", "", value)
    if style == "(at) (dot)":
        local, _, domain = value.partition("@")
        return f"{local} (at) {domain.replace('.', ' (dot) ')}"
    if style == "spoken":
        local, _, domain = value.partition("@")
        return f"{local} at {domain.replace('.', ' dot ')}"
    changed = {
        "zero-width": value.replace("@", "\u200b@\u200b"),
        "full-width": value.translate(FULL_WIDTH).replace(" ", "\u00a0"),
        "lower case": value.lower(),
        "two lines": value.replace(", ", "\n"),
    }
    return changed.get(style, value)


def make_negatives(rng: random.Random, values: int) -> Iterator[Labelled]:
    for label, sentences in NEGATIVES.items():
        for _ in range(values):
            text = re.sub(r"#", lambda _: rng.choice("0123456789"), rng.choice(sentences))
            text = text.replace("{uuid}", str(uuid.UUID(int=rng.getrandbits(128))))
            text = text.replace("{hash}", f"{rng.getrandbits(256):064x}")
            yield Labelled(f"{rng.choice(NOISE)} {text}", label)
    for kind in ("card", "iban"):
        for _ in range(values):
            value, called = draw_value(kind, rng, REGIONS)
            spoilt = value[:-1] + str((int(value[-1]) + rng.randrange(1, 10)) % 10)
            yield Labelled(f"My {called} is {spoilt}.", f"{kind} with one digit wrong")


NEGATIVES: Mapping[str, Sequence[str]] = {
    "order and tracking numbers": (
        "Your order ########## is on its way.",
        "Order number: ###-#######-#######, tracking 1Z999AA1##########.",
        "The tracking number is ################ and the parcel is in the depot.",
        "Invoice ####-######, customer number #########, ticket ###########.",
        "Booking reference ##########, case 0############.",
    ),
    "dates and times": (
        "It was on 2026-0#-1# at 1#:3#:##, not on 0#/1#/2026.",
        "Opening hours: 0900-1700 and 10:00-16:30, from 1#.0#.2025 to 2#.0#.2026.",
        "Logged at 2026-11-2#T1#:##:##.######Z, timestamp 17########, 17###########.",
    ),
    "sums and prices": (
        "I paid #,###,###.## for it, which is ######## / #### = ####.",
        "The phone costs $###.## and the call #.## a minute: ###-###-### = ##.",
        "They sold ## ### ### pieces, 1 ### ### more than in 2024-2025.",
    ),
    "versions and section numbers": (
        "Please update to version 1#.#.#.## or firmware v#.1#.#.#.",
        "See section 4.1.#.# and build ##.#.####.##.",
        "Chrome/12#.0.6###.1## on Windows NT 10.0.",
    ),
    "identifiers and hashes": (
        "The request id is {uuid}.",
        "sha256: {hash}",
        "ISBN 978-3-16-######-#, EAN 40##########, serial SN-########-AB##.",
        "Coordinates 52.5#####, 13.4#####; MAC 0a:1b:2c:3d:4e:5#; IMEI slot ##.",
    ),
    "code": (
        "re.match(r'^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\\.[a-zA-Z]{2,}$', email)",
        "@app.route('/users/<int:id>')\ndef f(x): return std::max(x, ########)",
        "npm install left-pad@1.#.# && cp logo@2x.png /var/www",
        "server = '192.168.1.##'; mask = '255.255.255.0'; dns = '8.8.8.8'",
    ),
    "reserved for fiction": (
        "Write to jane.doe@example.com or to it@shop.example.",
        "Call 555-01## or (212) 555-01##, in London 020 7946 0###.",
        "My mobile is 07700 900### and the desk is +49 30 23125 ###.",
        "Use the test card 4242 4242 4242 4242 or 4111 1111 1111 1111.",
        "Use the IBAN DE89 3704 0044 0532 0130 00 from the manual.",
        "The server is at 203.0.113.#, or 2001:db8::##.",
        "SSN 078-05-1120, or 000-12-####, or 9##-12-####.",
        "I live at 123 Main Street, Springfield, IL 62704.",
    ),
}


def measure_locales(values: int) -> None:
    """What is found of each kind, in the format and the words of each country; all kinds are looked for."""
    print(f"{'':12}" + "".join(f"{region:>7}" for region in REGIONS))
    for kind, sentences in IN_WORDS.items():
        rng = random.Random(SEED)
        shares = []
        for region in REGIONS:
            said = sentences.get(region, sentences["US"])
            drawn = [draw_value(kind, rng, (region,)) for _ in range(values)]
            texts = [rng.choice(said).format(value, called=called) for value, called in drawn]
            found, _ = find_ours(texts, EVERY_KIND)
            shares.append(sum(any(span[0] == kind for span in spans) for spans in found) / values)
        print(f"{kind:12}" + "".join(f"{share:7.2f}" for share in shares))


def measure_speed(rows: int) -> None:
    """Conversations of some 440 bytes: three in a hundred with a value, one in ten with a longer number."""
    rng = random.Random(SEED)
    judge = personal_data().judge
    size = rejected = 0
    seconds = 0.0
    for first in range(0, rows, SHARD_ROWS):
        draws = range(first, min(first + SHARD_ROWS, rows))
        table = build_candidates(make_conversation(rng, draw) for draw in draws)
        size += sum(len(text) for text in table["text"].to_pylist())
        started = cpu_seconds()
        rejected += judge(table, NO_STATE)["outcome"].to_pylist().count("reject")
        seconds += cpu_seconds() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{rows} rows, {size / 1e6:.0f} MB: {seconds:.1f} CPU seconds, {rows / seconds:,.0f} rows per CPU "
        f"second, {rejected} rejected; peak {peak:.0f} MB"
    )


def make_conversation(rng: random.Random, draw: int) -> dict[str, Any]:
    said = [rng.choice(NOISE) for _ in range(5)]
    if rng.random() < 0.1:
        said[1] = re.sub(
            "#", lambda _: rng.choice("0123456789"), rng.choice(NEGATIVES["order and tracking numbers"])
        )
    if rng.random() < 0.03:
        kind: Kind = rng.choice(("email", "phone", "card", "iban", "address"))
        said[0] = rng.choice(SAID[kind]).format(draw_value(kind, rng, REGIONS)[0])
    messages = [
        {"role": "user", "content": " ".join(said[:2])},
        {"role": "assistant", "content": " ".join(said[2:])},
    ]
    return {
        "kind": "dialogue",
        "messages": messages,
        "text": "\n\n".join(m["content"] for m in messages),
        "attachments": [],
        "generator": "benchmark",
        "generator_version": "1",
        "draw": draw,
        "replayable": False,
    }


def find_ours(texts: Sequence[str], kinds: Actions | None = None) -> tuple[Spans, float]:
    """What the gate finds in each text, and the CPU seconds that its judge took."""
    table = build_candidates(
        {
            "kind": "foreign",
            "messages": [],
            "text": text,
            "attachments": [],
            "generator": "benchmark",
            "generator_version": "1",
            "draw": draw,
            "replayable": False,
        }
        for draw, text in enumerate(texts)
    )
    judge = (personal_data() if kinds is None else personal_data(kinds=kinds)).judge
    started = cpu_seconds()
    shards = [table.slice(first, SHARD_ROWS) for first in range(0, len(table), SHARD_ROWS)]
    verdicts = pa.concat_tables([judge(shard, NO_STATE) for shard in shards])
    seconds = cpu_seconds() - started
    evidence = [json.loads(e)["findings"] if e else [] for e in verdicts["evidence"].to_pylist()]
    return [[(f["kind"], f["start"], f["end"]) for f in found] for found in evidence], seconds


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
