"""Makes the list of given names that the personal data gate reads, from two packages that carry names.

    pip install faker==40.63.0 mimesis==22.2.0
    python benchmarks/given_names.py ../shared/data > synth_stack/gates/personal_data/given_names.txt

Taken are the given names of all locales in Latin letters. Those that are also words are listed apart: what
the public corpora of the folder write small, countries, months, days, and names of two letters.
"""

import argparse
import csv
import importlib
import json
import pkgutil
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

WIDTH = 110
WORD = re.compile(r"(?<![\w@.'’-])[a-zà-ÿ]+(?:['’-][a-z]+)*(?![\w@])")
NAME = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
DAYS = (
    "january february march april may june july august september october november december monday tuesday"
    " wednesday thursday friday saturday sunday christmas easter"
).split()
HEAD = """\
# Given names of some sixty locales in Latin letters, small: Faker 40.63.0 (MIT License, Copyright (c) 2012
# Daniele
# Faraglia) and mimesis 22.2.0 (MIT License, Copyright (c) 2016-Present Isaak Uchakaev). Under [also_words]:
# those
# that are also words (written small in the public corpora that the gate was developed on), countries, months
# or
# days, or have two letters. Made by benchmarks/given_names.py.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path, help="the folder of public corpora")
    args = parser.parse_args()
    names = {
        unicodedata.normalize("NFC", name).lower()
        for name in (*read_faker("person", r"first_names?(_|$)"), *read_mimesis())
        if NAME.fullmatch(name) and is_latin(name) and len(name) > 1
    }
    words = {word for text in read_texts(args.corpora) for word in WORD.findall(text)}
    words |= {name.lower() for name in read_faker("address", r"countries$")} | set(DAYS)
    also = {name for name in names if name in words or len(name) < 3}
    print(f"{HEAD}[names]\n{wrap(names - also)}\n\n[also_words]\n{wrap(also)}")


def is_latin(name: str) -> bool:
    return all(c in "'’-" or "LATIN" in unicodedata.name(c, "") for c in name)


def read_faker(kind: str, pattern: str) -> Iterator[str]:
    """The entries of Faker's word lists whose name begins as the pattern has it, of all locales."""
    package = importlib.import_module(f"faker.providers.{kind}")
    for module in pkgutil.iter_modules(package.__path__):
        provider = importlib.import_module(f"faker.providers.{kind}.{module.name}").Provider
        for name in dir(provider):
            listed = getattr(provider, name)
            if re.match(pattern, name) and not callable(listed) and not isinstance(listed, property):
                yield from flatten(listed if not isinstance(listed, dict) else list(listed))


def read_mimesis() -> Iterator[str]:
    folder = Path(str(importlib.import_module("mimesis").__file__)).parent / "datasets"
    for path in sorted(folder.glob("*/person.json")):
        yield from flatten(json.loads(path.read_text(encoding="utf-8")).get("names"))


def read_texts(folder: Path) -> Iterator[str]:
    """What is said in the corpora to develop on, code and logs aside."""
    for name in ("alpaca_demo", "rc_en", "cls_template", "glaive_tools"):
        for line in (folder / "ordinary" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            yield from flatten(json.loads(line))
    for part in ("train", "test"):
        with (folder / "banking77" / f"{part}.csv").open(encoding="utf-8", newline="") as file:
            yield from (row["text"] for row in csv.DictReader(file))
    yield from flatten(json.loads((folder / "gpteacher" / "toolformer.json").read_text(encoding="utf-8")))
    for pattern in ("*gsm8k*", "*sociology*"):
        for path in sorted((folder / "rephrased").rglob(pattern)):
            yield path.read_text(encoding="utf-8")


def flatten(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from flatten(one)
    elif isinstance(value, (list, tuple)):
        # Faker's weighted lists are pairs of a name and a number
        for one in value:
            yield from flatten(one)


def wrap(names: Iterable[str]) -> str:
    lines, line = [], ""
    for name in sorted(names):
        if line and len(line) + len(name) + 1 > WIDTH:
            lines.append(line)
            line = ""
        line = f"{line} {name}".strip()
    return "\n".join([*lines, line])


if __name__ == "__main__":
    main()
