"""Counts what the personal data gate touches in public corpora, and what it finds in Presidio's synthetic
set.

    python benchmarks/personal_data_corpora.py ../shared/data                     the corpora to judge on
    python benchmarks/personal_data_corpora.py ../shared/data --split develop     those that it was made on
    python benchmarks/personal_data_corpora.py ../shared/data --strict            with names and dates of
    birth python benchmarks/personal_data_corpora.py --presidio synth_dataset_v2.json   recall by kind

--show prints every value that is found, for reading. Presidio's set is data/synth_dataset_v2.json (or
tests/data/generated_large.json) of github.com/microsoft/presidio-research; its templates are split into
halves by a digest, of which the first was read while the gate was made. Intervals: Wilson, 95%.
"""

import argparse
import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth_stack.gates.gate import NO_STATE, Judge
from synth_stack.gates.personal_data.gate import personal_data
from synth_stack.gates.personal_data.policy import Actions
from synth_stack.rows.schemas import build_candidates
from synth_stack.stats.intervals import wilson

STRICT = Actions(
    role_email="hold", place="hold", hotline="hold", birth_date="hold", name="hold", mention="hold"
)
LOGS_DEVELOP = {"Android", "Apache", "Hadoop", "HealthApp", "Linux"}
ORDINARY = {
    "develop": ("alpaca_demo", "rc_en", "cls_template", "glaive_tools"),
    "judge": ("dolly", "flask_chatgpt_500", "sgd_200", "xquad_es", "xquad_zh"),
}
REPHRASED = {"develop": ("gsm8k", "sociology"), "judge": ("abstract_algebra", "humaneval")}
CODE = {"develop": "code_alpaca_2k", "judge": "new_codealpaca"}
ENTITIES: Mapping[str, Sequence[str]] = {
    "phone": ("PHONE_NUMBER",),
    "address": ("STREET_ADDRESS", "ADDRESS"),
    "name": ("PERSON",),
    "email": ("EMAIL_ADDRESS",),
    "card": ("CREDIT_CARD",),
    "iban": ("IBAN_CODE",),
    "national_id": ("US_SSN",),
    "ip": ("IP_ADDRESS",),
}
FOUND_AS = {"hotline": "phone", "place": "address", "mention": "name", "role_email": "email"}
Said = list[tuple[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path, nargs="?", help="the folder of public corpora")
    parser.add_argument("--split", choices=("develop", "judge"), default="judge")
    parser.add_argument("--strict", action="store_true", help="look for names and dates of birth too")
    parser.add_argument("--presidio", type=Path, help="a file of Presidio's synthetic set instead")
    parser.add_argument("--show", action="store_true", help="print each value that is found")
    args = parser.parse_args()
    judge = personal_data(kinds=STRICT) if args.strict else personal_data()
    if args.presidio:
        measure_presidio(args.presidio, judge)
    elif args.corpora:
        measure_corpora(args.corpora, args.split, judge, show=args.show)
    else:
        parser.error("name a folder of corpora, or --presidio")


def measure_corpora(folder: Path, split: str, judge: Judge, *, show: bool) -> None:
    for name, rows in read_corpora(folder, split).items():
        table = build_table(rows)
        verdicts = judge.judge(table, NO_STATE).to_pylist()
        away = [k for k, verdict in enumerate(verdicts) if verdict["outcome"] in {"reject", "hold"}]
        kinds = Counter(verdicts[k]["reason_class"].partition(".")[2] for k in away)
        ends = Counter(verdicts[k]["outcome"] for k in away)
        low, high = wilson(len(away), len(rows))
        share = f"{len(away):5} of {len(rows):5}  {len(away) / len(rows):.4f}  [{low:.4f}, {high:.4f}]"
        print(f"{name:24} {share}  {dict(ends)} {dict(kinds)}")
        for k in away if show else ():
            print(f"    row {k}: {verdicts[k]['reason']}")
            parts = read_parts(table.slice(k, 1).to_pylist()[0])
            for one in json.loads(verdicts[k]["evidence"])["findings"]:
                text = parts.get(one["path"], "")
                around = (text[max(one["start"] - 50, 0) : one["start"]], text[one["start"] : one["end"]])
                print(f"        {one['kind']}: {around[0]!r} {around[1]!r}")


def read_parts(row: Mapping[str, Any]) -> dict[str, str]:
    contents = {f"messages.{k}.content": m["content"] or "" for k, m in enumerate(row["messages"])}
    return {**contents, "text": row["text"] or ""}


def build_table(rows: Sequence[Said]) -> pa.Table:
    """Rows as conversations, or as texts where they are one text."""
    return build_candidates(
        {
            "kind": "foreign" if len(said) == 1 else "dialogue",
            "messages": [] if len(said) == 1 else [{"role": role, "content": text} for role, text in said],
            "text": "\n\n".join(text for _, text in said),
            "attachments": [],
            "generator": "benchmark",
            "generator_version": "1",
            "draw": draw,
            "replayable": False,
        }
        for draw, said in enumerate(rows)
    )


def read_corpora(folder: Path, split: str) -> dict[str, list[Said]]:
    def read_json(*parts: str) -> Any:
        return json.loads(folder.joinpath(*parts).read_text(encoding="utf-8"))

    def read_lines(*parts: str) -> list[Any]:
        lines = folder.joinpath(*parts).read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines if line.strip()]

    def read_csv(*parts: str) -> list[dict[str, str]]:
        with folder.joinpath(*parts).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    corpora = {
        name: [take(row) for row in read_lines("ordinary", f"{name}.jsonl")] for name in ORDINARY[split]
    }
    logs: dict[str, list[Said]] = {}
    for row in read_lines("ordinary", "logs.jsonl"):
        named = re.search(r"this (\w+) log", row["instruction"])
        system = named[1] if named else "unnamed"
        if (system in LOGS_DEVELOP) == (split == "develop"):
            logs.setdefault(f"logs {system}", []).append(take(row))
    corpora |= logs
    corpora[CODE[split]] = [take(row) for row in read_json("code_alpaca", f"{CODE[split]}.json")]
    for path in sorted((folder / "rephrased").iterdir()):
        if any(name in path.name.lower() for name in REPHRASED[split]):
            lines = path.read_text(encoding="utf-8").split("\n")
            corpora[path.name[:24]] = [[("text", line)] for line in lines if line.strip()]
    if split == "develop":
        queries = [row["text"] for part in ("train", "test") for row in read_csv("banking77", f"{part}.csv")]
        corpora["banking77"] = [[("text", text)] for text in queries]
        corpora["gpteacher"] = [take(row) for row in read_json("gpteacher", "toolformer.json")]
        return corpora
    known = read_json("clinc150", "data_full.json").values()
    corpora["clinc150"] = [[("text", text)] for rows in known for text, _ in rows]
    corpora["gsm8k"] = [take(r) for part in ("train", "test") for r in read_lines("gsm8k", f"{part}.jsonl")]
    corpora["self_instruct"] = [
        [("text", "\n".join(flatten(row)))] for row in read_lines("self_instruct", "seed_tasks.jsonl")
    ]
    corpora["hatecheck"] = [[("text", row["test_case"])] for row in read_csv("hatecheck", "cases.csv")]
    return corpora


def take(row: Mapping[str, Any]) -> Said:
    """What is said in a row of one of the known forms, as user and assistant."""
    turns = row.get("messages") or row.get("conversations")
    if turns:
        return [
            (str(t.get("role") or t.get("from")), str(t.get("content") or t.get("value") or ""))
            for t in turns
        ]
    asked = "\n".join(
        str(row[name]) for name in ("instruction", "question", "input", "passage") if row.get(name)
    )
    answer = next((str(row[name]) for name in ("output", "answer", "response") if row.get(name)), "")
    return [("user", asked), ("assistant", answer)]


def flatten(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from flatten(one)


def measure_presidio(path: Path, judge: Judge) -> None:
    """Recall and precision of each half of the templates; a span counts as found where a value overlaps
    it.
    """
    rows = json.loads(path.read_text(encoding="utf-8"))
    for half in (0, 1):
        mine = [row for row in rows if find_half(row["masked"]) == half]
        verdicts = judge.judge(build_table([[("text", row["full_text"])] for row in mine]), NO_STATE)
        print(f"{path.name}, half {half} of its templates, {len(mine)} rows")
        report(mine, verdicts["evidence"].to_pylist())


def report(rows: Sequence[Mapping[str, Any]], evidence: Sequence[str | None]) -> None:
    tried, hit, acted, right, wrong = (Counter[str]() for _ in range(5))
    for row, told in zip(rows, evidence, strict=True):
        found = json.loads(told)["findings"] if told else []
        for kind, entities in ENTITIES.items():
            spans = [span for span in row["spans"] if span["entity_type"] in entities]
            values = [one for one in found if FOUND_AS.get(one["kind"], one["kind"]) == kind]
            tried[kind] += len(spans)
            hit[kind] += sum(any(overlaps(one, span) for one in values) for span in spans)
            own = [one for one in values if one["kind"] == kind]
            acted[kind] += sum(any(overlaps(one, span) for one in own) for span in spans)
            good = sum(any(overlaps(one, span) for span in spans) for one in values)
            right[kind] += good
            wrong[kind] += len(values) - good
    for kind in ENTITIES:
        low, high = wilson(hit[kind], tried[kind])
        print(
            f"  {kind:12} found {hit[kind]:4} of {tried[kind]:4}  {hit[kind] / max(tried[kind], 1):.3f}"
            f"  [{low:.3f}, {high:.3f}]  as anybody's own {acted[kind]:4}"
            f"  precision {right[kind]} of {right[kind] + wrong[kind]}"
        )


def overlaps(one: Mapping[str, Any], span: Mapping[str, Any]) -> bool:
    return bool(one["start"] < span["end_position"] and span["start_position"] < one["end"])


def find_half(masked: str) -> int:
    shape = re.sub(r"\{\{.*?\}\}", "X", masked).lower()
    return int(hashlib.sha256(shape.encode()).hexdigest(), 16) % 2


if __name__ == "__main__":
    main()
