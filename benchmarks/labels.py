"""Hand-written verdicts on what gates said of public rows: read, matched, sampled, and read a second time.

A label belongs to a claim: the content of a row, what a gate says of it (`reason_class`), and, where that is
about two texts, the other one (`against`). It does not belong to a version of a gate, so that labels stay
true when gates change. No text of a corpus stands in a label, only its digest. A second reader's labels come
from second_reading.py.

    python benchmarks/labels.py    counts, and how far two readers agree
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OTHERS = ("demo.jsonl", "grounding.jsonl")
"""Labels of another sort: of accepted rows (demo.py) and planted answers (grounding_reading.py)."""
FOLDER = Path(__file__).parent / "labels"
SAMPLE = 40
"""Claims of one corpus, gate and reason class that are read; of more, so many are drawn. A share of .5 is
then known to within .15."""
MISSED, ACCEPTED = "none", "none.accepted"
"""Gate and class of a label on an accepted row: "wrong" says that a gate should have turned it away."""

_FACTS = ("corpus", "outcome", "verdict", "why", "labeller", "gates")
_FIELDS = {"digest", "gate", "reason_class", "against", *_FACTS}
_VERDICTS = ("right", "wrong", "arguable")
_LABELLERS = ("first", "second")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a gate says of the row of that content: the class, and the other text that it is about, if any."""

    digest: str
    gate: str
    reason_class: str
    against: str | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """A reader's verdict on a claim. `gates` is the digest of the gate file that made it."""

    claim: Claim
    corpus: str
    outcome: str
    verdict: str
    why: str
    labeller: str
    gates: str

    def to_json(self) -> dict[str, Any]:
        told = {
            "digest": self.claim.digest,
            "corpus": self.corpus,
            "gate": self.claim.gate,
            "reason_class": self.claim.reason_class,
            "outcome": self.outcome,
            "verdict": self.verdict,
            "why": self.why,
            "labeller": self.labeller,
            "gates": self.gates,
        }
        return told if self.claim.against is None else {**told, "against": self.claim.against}


class LabelError(ValueError):
    """A label file that cannot be read as one; says the file, the line and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Labels:
    """All labels; `first` and `second` by claim."""

    first: Mapping[Claim, Label]
    second: Mapping[Claim, Label]

    def find(self, claim: Claim) -> str | None:
        """The first reader's verdict on a claim."""
        label = self.first.get(claim)
        return None if label is None else label.verdict

    def list_absent(self, read: Mapping[str, set[str]]) -> list[Label]:
        """Labels on rows that their corpus does not have, of the corpora that were read: digests by name."""
        return [
            label
            for label in self.first.values()
            if label.corpus in read and label.claim.digest not in read[label.corpus]
        ]


def read_labels(folder: Path = FOLDER) -> Labels:
    """The labels of a folder. Raises LabelError."""
    by_reader: dict[str, dict[Claim, Label]] = {name: {} for name in _LABELLERS}
    for path in sorted(set(folder.glob("*.jsonl")) - {folder / name for name in OTHERS}):
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if line.strip():
                label = _parse(line, f"{path.name}, line {number}")
                if by_reader[label.labeller].setdefault(label.claim, label).verdict != label.verdict:
                    raise LabelError(
                        f"{path.name}, line {number}: the claim has another label of this reader"
                    )
    return Labels(by_reader["first"], by_reader["second"])


def _parse(line: str, place: str) -> Label:
    try:
        told = json.loads(line)
    except ValueError as exc:
        raise LabelError(f"{place}: not JSON: {exc}") from exc
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise LabelError(f"{place}: a label is an object of texts")
    if odd := (told.keys() ^ _FIELDS) - {"against"}:
        raise LabelError(f"{place}: keys missing or unknown: {', '.join(sorted(odd))}")
    if told["verdict"] not in _VERDICTS or told["labeller"] not in _LABELLERS:
        raise LabelError(
            f"{place}: verdict {told['verdict']!r} by {told['labeller']!r}; see benchmarks/labels.py"
        )
    claim = Claim(told["digest"], told["gate"], told["reason_class"], told.get("against"))
    return Label(claim, *(told[key] for key in _FACTS))


def write_labels(labels: Iterable[Label], folder: Path = FOLDER) -> None:
    """Adds labels to the file of their gate; one that is there is replaced."""
    new = {(label.claim, label.labeller): label for label in labels}
    for gate in sorted({label.claim.gate for label in new.values()}):
        path = folder / f"{gate}.jsonl"
        there = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
        old = [_parse(line, str(path)) for line in there if line.strip()]
        mine = {(label.claim, label.labeller): label for label in old}
        mine |= {key: label for key, label in new.items() if label.claim.gate == gate}
        lines = sorted(
            json.dumps(label.to_json(), sort_keys=True, ensure_ascii=False) for label in mine.values()
        )
        folder.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def draw(claims: Sequence[Claim], size: int = SAMPLE) -> list[Claim]:
    """At most `size` of the claims, drawn by their digests: the same ones when others come or go."""
    return sorted(claims, key=lambda c: hashlib.sha256(f"{c.digest} {c.against}".encode()).digest())[:size]


def weigh(claims: Sequence[Claim], labels: Labels) -> dict[Claim, float]:
    """How likely each claim of one corpus, gate and class is wrong, from the labels of a sample of them.

    All of them are the sample where they are few. One of the sample without a label counts as wrong; one
    outside it as the sample says, or as its own label does.
    """
    drawn = draw(claims)
    wrong = {claim: float(labels.find(claim) in {None, "wrong"}) for claim in drawn}
    share = sum(wrong.values()) / max(len(drawn), 1)
    for claim in claims:
        verdict = labels.find(claim)
        wrong.setdefault(claim, share if verdict is None else float(verdict == "wrong"))
    return wrong


def agree(labels: Labels, among: Collection[str] = _VERDICTS) -> tuple[int, float, float]:
    """Claims that two readers labelled, the share on which they agree, and Cohen's kappa (Cohen 1960).

    Of claims to which both gave a verdict that is `among` these.
    """
    pairs = [
        (labels.first[c].verdict, label.verdict) for c, label in labels.second.items() if c in labels.first
    ]
    pairs = [(a, b) for a, b in pairs if a in among and b in among]
    if not pairs:
        return 0, 0.0, 0.0
    n = len(pairs)
    same = sum(a == b for a, b in pairs) / n
    ours, theirs = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(ours[v] * theirs[v] for v in among) / n**2
    return n, same, 1.0 if chance == 1 else (same - chance) / (1 - chance)


def describe_agreement(labels: Labels) -> str:
    """How many labels there are, and how far the two readers agree, with and without arguable ones."""
    n, same, kappa = agree(labels)
    sided, alike, _ = agree(labels, ("right", "wrong"))
    return (
        f"{len(labels.first)} labels; {n} read twice: {same:.2f} alike, Cohen's kappa {kappa:.2f}; "
        f"{sided} called right or wrong by both: {alike:.2f} alike"
    )


def main() -> None:
    labels = read_labels()
    counts = Counter((label.claim.gate, label.verdict) for label in labels.first.values())
    for (gate, verdict), count in sorted(counts.items()):
        print(f"{gate:16} {verdict:10} {count:5}")
    print(describe_agreement(labels))


if __name__ == "__main__":
    main()
