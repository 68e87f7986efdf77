"""The judging half of the grounding benchmark, read by somebody who does not know what was planted.

    python benchmarks/grounding_reading.py sheet --documents documents.jsonl --out sheet.jsonl
    python benchmarks/grounding_reading.py count benchmarks/labels/grounding.jsonl

`benchmarks/grounding.py` takes the truth of an answer from how it was made: a changed number is called false
because it was changed. Here a reader says it. Each line of the sheet is an answer and the name of its
document, and nothing of how either came about; the reader fills in `label` (supported, contradicted,
not_found or unsure) and, where it is not supported, `why`. `count` prints how often that agrees with what was
planted, and what the gate `factuality` says of the answers, with the reader's word as the truth.
"""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from grounding import (
    CONTRADICTED,
    FOLDERS,
    TRUE_KINDS,
    Pair,
    is_contradicted,
    judge_pairs,
    plant,
    read_passages,
)

from synth_stack.rows.canonical import digest_json
from synth_stack.stats.intervals import clopper_pearson

HALF = "judge"
PER_KIND = 24
"""Pairs of each kind and corpus that are read, so many that the hand-written ones are read whole."""
LABELS = ("supported", "contradicted", "not_found", "unsure")


class LabelError(ValueError):
    """A file of labels that cannot be used."""


def digest_pair(pair: Pair) -> str:
    """What a label is kept under: the digest of the document's name and the answer."""
    return digest_json([pair.source, pair.answer])[:32]


def draw_pairs() -> list[Pair]:
    """What is read: of each kind and corpus the pairs with the lowest digests, document by document."""
    kinds: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in plant(HALF, FOLDERS):
        if pair.corpus in FOLDERS and pair.source:
            kinds[pair.corpus, pair.kind].append(pair)
    drawn = [pair for found in kinds.values() for pair in sorted(found, key=digest_pair)[:PER_KIND]]
    return sorted(
        {digest_pair(pair): pair for pair in drawn}.values(),
        key=lambda pair: (document_of(pair), digest_pair(pair)),
    )


def read_documents(pairs: Iterable[Pair]) -> dict[str, str]:
    """The whole text of each document that an answer was made of, by the name on the sheet."""
    wanted = {document_of(pair) for pair in pairs}
    texts: dict[str, list[str]] = defaultdict(list)
    for folder in FOLDERS.values():
        for passage in read_passages(folder, HALF):
            name = passage.id.partition("#")[0]
            if name in wanted:
                texts[name].append(f"{passage.title}\n{passage.text}")
    return {name: "\n\n".join(parts) for name, parts in sorted(texts.items())}


def document_of(pair: Pair) -> str:
    return pair.source.partition("#")[0]


def write_lines(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def read_labels(path: Path) -> dict[str, str]:
    """Labels by digest. Raises LabelError for a line that is none, and for one digest with two labels."""
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        given = json.loads(line)
        digest, label = given.get("digest"), given.get("label")
        if not isinstance(digest, str) or label not in LABELS:
            raise LabelError(f"{path}, line {number}: needs digest, and label as one of {', '.join(LABELS)}")
        if found.setdefault(digest, label) != label:
            raise LabelError(f"{path}, line {number}: a second label of {digest}")
    return found


def expect(kind: str) -> str:
    """What the rules of the benchmark hold an answer of this kind for."""
    if kind in TRUE_KINDS:
        return "supported"
    return "contradicted" if kind in CONTRADICTED else "not_found"


def count(labels: dict[str, str]) -> None:
    pairs = {digest_pair(pair): pair for pair in draw_pairs()}
    if unknown := set(labels) - set(pairs):
        raise LabelError(
            f"{len(unknown)} labels are of answers that the set does not have: {min(unknown)} ..."
        )
    read = [(pair, labels[digest]) for digest, pair in pairs.items() if digest in labels]
    print(f"{len(read)} of {len(pairs)} answers were read")
    print_agreement(read)
    print_gate(read)


def print_agreement(read: Sequence[tuple[Pair, str]]) -> None:
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for pair, label in read:
        kinds[pair.kind][label] += 1
    print(f"\n{'planted as':26}" + "".join(f"{label:>14}" for label in LABELS))
    for kind, said in sorted(kinds.items()):
        print(f"{kind:26}" + "".join(f"{said[label]:>14}" for label in LABELS))
    sure = [(pair, label) for pair, label in read if label != "unsure" and expect(pair.kind) != "not_found"]
    print(show_share("what was planted is what was read", [expect(p.kind) == label for p, label in sure]))


def print_gate(read: Sequence[tuple[Pair, str]]) -> None:
    said = {digest_pair(pair): verdict for pair, verdict in judge_pairs([p for p, _ in read], dict(FOLDERS))}
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    for pair, label in read:
        outcomes[label][said[digest_pair(pair)]["outcome"]] += 1
    print(f"\n{'read as':26}" + "".join(f"{name:>10}" for name in ("reject", "hold", "abstain", "accept")))
    for label in LABELS:
        shown = (outcomes[label][name] for name in ("reject", "hold", "abstain", "accept"))
        print(f"{label:26}" + "".join(f"{n:>10}" for n in shown))
    rejected = [label for pair, label in read if is_contradicted(said[digest_pair(pair)])]
    print(
        show_share("rejected answers that are contradicted", [label == "contradicted" for label in rejected])
    )
    true = [said[digest_pair(pair)] for pair, label in read if label == "supported" and "para" in pair.kind]
    print(show_share("true paraphrases that are rejected", [is_contradicted(verdict) for verdict in true]))


def show_share(name: str, hits: Sequence[bool]) -> str:
    low, high = clopper_pearson(sum(hits), len(hits))
    return (
        f"{name}: {sum(hits)} of {len(hits)}, {sum(hits) / max(1, len(hits)):.3f} ({low:.3f} to {high:.3f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    sheet = commands.add_parser("sheet")
    sheet.add_argument("--documents", type=Path, required=True)
    sheet.add_argument("--out", type=Path, required=True)
    commands.add_parser("count").add_argument("labels", type=Path)
    options = parser.parse_args()
    if options.command == "count":
        count(read_labels(options.labels))
        return
    pairs = draw_pairs()
    documents = read_documents(pairs)
    write_lines(options.documents, ({"document": name, "text": text} for name, text in documents.items()))
    write_lines(
        options.out,
        ({"digest": digest_pair(p), "document": document_of(p), "answer": p.answer} for p in pairs),
    )
    print(f"{len(pairs)} answers, {len(documents)} documents")


if __name__ == "__main__":
    main()
