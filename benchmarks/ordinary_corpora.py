"""Ordinary public rows as a user would hand them over, each corpus on one side of a split.

The split is by corpus and never by row: gates may be fitted on the develop side, and the judge side is for
figures alone. A file of `ordinary/` that is not named here is a judge corpus.
"""

import csv
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl
import yaml

from synth_stack.inputs.gate_file import NamedEvalSet

Record = dict[str, Any]
Side = Literal["develop", "judge"]

DEVELOP_FILES = ("alpaca_demo", "rc_en", "cls_template", "glaive_tools")
JUDGE_FILES = ("dolly", "flask_chatgpt_500", "sgd_200", "xquad_es", "xquad_zh")
DEVELOP_SYSTEMS = ("Android", "Apache", "Hadoop", "HealthApp", "Linux")
"""The log systems of the develop side; all others are on the judge side."""

SPOILT = ("dolly",)
"""Corpora of which every row has a known defect, here an end marker: no ground to plant others in."""

GATES_OF: dict[str, dict[str, dict[str, Any]]] = {
    "xquad_es": {"structure": {"languages": ["es"]}},
    "xquad_zh": {"structure": {"languages": ["zh"]}},
}
"""What a user of that corpus would set, by gate. A corpus that is not named here may bring its own, in
`ordinary/NAME.gates.yaml`, which has the same form. Of one whose name ends like NAME_de the
language is taken from there."""
LANGUAGES = frozenset("ar cs da de el es fi fr he hi hu it ja ko nl no pl pt ro ru sv th tr vi zh".split())
"""The languages that a name may end with (ISO 639-1)."""
FORMS = (".jsonl", ".json", ".csv", ".parquet")
"""Files of `ordinary/` that are read."""


@dataclass(frozen=True, slots=True)
class OrdinaryCorpus:
    """A corpus: its records in the columns that it was published with, and what its user would set."""

    name: str
    side: Side
    records: Sequence[Record]
    gates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """The corpus as a file of its user's."""
        return write_jsonl(folder / f"{self.name}.jsonl", self.records)


def read_corpora(folder: Path, max_rows: int, seed: int) -> tuple[list[OrdinaryCorpus], list[str]]:
    """The corpora that are there, each cut to a seeded sample of `max_rows`; the names of those absent."""
    found: list[OrdinaryCorpus] = []
    absent: list[str] = []
    for name, side, read in [*_list_ordinary(folder / "ordinary"), *_list_other(folder)]:
        try:
            records = read()
        except FileNotFoundError:
            absent.append(name)
            continue
        gates = GATES_OF.get(name) or _find_gates(folder / "ordinary" / f"{name}.gates.yaml", name)
        found.append(OrdinaryCorpus(name, side, sample(records, max_rows, f"{seed}/{name}"), gates))
    return found, absent


def sample(records: Sequence[Record], max_rows: int, seed: str) -> list[Record]:
    """At most `max_rows` of the records, drawn by `seed`, in their order."""
    if len(records) <= max_rows:
        return list(records)
    chosen = random.Random(seed).sample(range(len(records)), max_rows)
    return [records[place] for place in sorted(chosen)]


_Listed = tuple[str, Side, Callable[[], list[Record]]]


def _list_ordinary(folder: Path) -> Iterator[_Listed]:
    logs = folder / "logs.jsonl"
    yield "logs_develop", "develop", lambda: [r for r in read_jsonl(logs) if _is_develop_log(r)]
    yield "logs_judge", "judge", lambda: [r for r in read_jsonl(logs) if not _is_develop_log(r)]
    for name in DEVELOP_FILES:
        yield name, "develop", _reader(folder / f"{name}.jsonl")
    known = {"logs", *DEVELOP_FILES, *JUDGE_FILES}
    for name in JUDGE_FILES:
        yield name, "judge", _reader(folder / f"{name}.jsonl")
    others = [path for path in sorted(folder.glob("*")) if path.suffix in FORMS and path.stem not in known]
    for path in others:
        yield path.stem, "judge", _reader(path)


def _is_develop_log(record: Record) -> bool:
    return str(record.get("id")).partition("-")[0] in DEVELOP_SYSTEMS


def _list_other(folder: Path) -> Iterator[_Listed]:
    yield "code_alpaca_2k", "develop", lambda: read_json(folder / "code_alpaca" / "code_alpaca_2k.json")
    yield "gpteacher", "develop", lambda: read_json(folder / "gpteacher" / "toolformer.json")
    yield (
        "banking77",
        "develop",
        lambda: _list_texts(row["text"] for row in _read_banking(folder / "banking77")),
    )
    yield "new_codealpaca", "judge", lambda: read_json(folder / "code_alpaca" / "new_codealpaca.json")
    yield "clinc150", "judge", lambda: _list_texts(_read_clinc(folder / "clinc150" / "data_full.json"))
    yield "gsm8k", "judge", _reader(folder / "gsm8k" / "train.jsonl")
    yield "self_instruct", "judge", lambda: _read_seeds(folder / "self_instruct" / "seed_tasks.jsonl")


def _reader(path: Path) -> Callable[[], list[Record]]:
    read = {".jsonl": read_jsonl, ".json": read_json, ".csv": read_csv, ".parquet": read_parquet}
    return lambda: read[path.suffix](path)


def _list_texts(texts: Iterable[str]) -> list[Record]:
    """Rows of one text each: a conversation needs an answer, and queries have none."""
    return [{"text": text} for text in texts]


def _read_banking(folder: Path) -> list[Record]:
    return [row for part in ("train", "test") for row in read_csv(folder / f"{part}.csv")]


def _read_clinc(path: Path) -> list[str]:
    return [text for part in json.loads(path.read_text(encoding="utf-8")).values() for text, _ in part]


def _read_seeds(path: Path) -> list[Record]:
    return [
        {"instruction": task["instruction"], **task["instances"][0], "id": task["id"]}
        for task in read_jsonl(path)
    ]


def _find_gates(path: Path, name: str) -> dict[str, dict[str, Any]]:
    if path.exists():
        found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
        return found
    language = name.rpartition("_")[2]
    return {"structure": {"languages": [language]}} if language in LANGUAGES else {}


def read_hatecheck(folder: Path) -> list[tuple[str, bool]]:
    """The cases of HateCheck and whether each is hateful. They measure toxicity and are no ordinary rows."""
    rows = read_csv(folder / "hatecheck" / "cases.csv")
    return [(row["test_case"], row["label_gold"] == "hateful") for row in rows]


def find_eval_sets(folder: Path, work: Path) -> list[NamedEvalSet]:
    """The exams whose items no row may leak, as a user names them."""
    paths = {
        "gsm8k": folder / "gsm8k" / "test.jsonl",
        "humaneval": folder / "humaneval" / "HumanEval.jsonl",
        **{f"mmlu_{s}": _write_mmlu(folder, work, s) for s in ("abstract_algebra", "sociology")},
    }
    there = {name: path for name, path in paths.items() if path.exists()}
    return [NamedEvalSet(name=name, path=str(path.resolve())) for name, path in there.items()]


def _write_mmlu(folder: Path, work: Path, subject: str) -> Path:
    """The items of a subject in the columns under which MMLU stands on the Hub."""
    source, target = folder / "rephrased" / f"{subject}_test.csv", work / f"mmlu_{subject}.jsonl"
    if source.exists():
        with source.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if len(row) == 6]
        write_jsonl(
            target,
            (
                {"question": row[0], "subject": subject, "choices": row[1:5], "answer": "ABCD".index(row[5])}
                for row in rows
            ),
        )
    return target


def read_json(path: Path) -> list[Record]:
    found: list[Record] = json.loads(path.read_text(encoding="utf-8"))
    return found


def read_csv(path: Path) -> list[Record]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_parquet(path: Path) -> list[Record]:
    return pl.read_parquet(path).to_dicts()


def read_jsonl(path: Path) -> list[Record]:
    """The objects of a file, one a line. Raises ValueError, which names the line that is none."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        try:
            found += [json.loads(line)] if line.strip() else []
        except ValueError as exc:
            raise ValueError(f"{path}, line {number}: not JSON: {exc}") from exc
    return found


def write_jsonl(path: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n" for record in records)
    path.write_text("".join(lines), encoding="utf-8")
    return path
