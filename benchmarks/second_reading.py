"""Claims of gates as questions for a second reader, who sees neither the gate nor the first label.

    python benchmarks/second_reading.py AWAY --questions FILE    so many labelled claims as questions
    python benchmarks/second_reading.py AWAY --answers FILE      the answers, as labels of the second reader

AWAY is what `benchmarks/ordinary.py --away FILE` writes: every claim with its text. The first line of the
questions says which faults there are, the same for every row; each further line is a row, with the other text
where there is one. An answer is a line
`{"number": "...", "faults": ["cut_off"], "sure": true, "why": "ends in the middle of a word"}`, with no fault
where there is none. A claim is right where its fault is named, and arguable where the reader is not sure.
"""

import argparse
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labels import Claim, Label, LabelError, Labels, read_labels, write_labels

FAULTS = {
    "near_duplicate": "the two texts are one training example twice: dropping one of them loses nothing",
    "leaked_item": "the row contains the exam item that is shown, word for word or in other words",
    "phone": "the row holds a telephone or fax number that could be a real person's or business's",
    "mailbox": "the row holds an e-mail address that could be a real person's",
    "address": "the row holds a postal address that could be a real person's or business's",
    "ip": "the row holds a network address that could be a real machine's",
    "number_or_key": "the row holds a card, account or identity number or a secret key that could be real",
    "name": "the row holds the name of a private person, or a date of birth of one",
    "hateful": "a message attacks people for what they are, insults, threatens, or is obscene or cruel",
    "rude_to_customer": "the assistant is rude, dismissive, sarcastic or combative to the user",
    "cut_off": "a message breaks off before it is finished",
    "control_text": "a message holds a leftover of a chat template, an end marker or a reasoning block",
    "garbled": "a message holds letters that a wrong decoding left, or is no readable text",
    "wrong_language": "a message is in another language than the row and its task ask for",
    "repetition": "a message repeats words or lines without sense",
    "refusal": "the assistant refuses, or speaks of itself as a model, where the row does not ask for it",
    "placeholder": "a message holds a blank that was to be filled in and that the task does not ask for",
    "empty": "the answer is missing, or says nothing at all",
    "too_long": "a message is far longer or shorter than a training example of its kind may be",
}
"""What the second reader chooses from, of any row."""

_FAULTS_OF: dict[str, tuple[str, ...]] = {
    "dedup": ("near_duplicate",),
    "semantic_dedup": ("near_duplicate",),
    "contamination": ("leaked_item",),
    "personal_data": ("number_or_key",),
    "personal_data.phone": ("phone",),
    "personal_data.email": ("mailbox",),
    "personal_data.role_email": ("mailbox",),
    "personal_data.address": ("address",),
    "personal_data.ip": ("ip",),
    "personal_data.name": ("name",),
    "personal_data.birth": ("name",),
    "toxicity": ("hateful", "rude_to_customer"),
    "structure.cut_off": ("cut_off",),
    "structure.no_final_punctuation": ("cut_off",),
    "structure.self_reference": ("refusal",),
    "structure.control_token": ("control_text",),
    "structure.end_marker": ("control_text",),
    "structure.reasoning": ("control_text",),
    "structure.mojibake": ("garbled",),
    "structure.wrong_language": ("wrong_language",),
    "structure.repetition": ("repetition",),
    "structure.refusal": ("refusal",),
    "structure.placeholder": ("placeholder",),
    "structure.empty_answer": ("empty",),
    "structure.too_": ("too_long",),
}
"""The faults that make a claim right, by the start of its reason class; the longest that fits counts."""


def name_faults(reason_class: str) -> tuple[str, ...]:
    """The faults that a class may mean; none where a second reader is not asked about it."""
    fitting = [start for start in _FAULTS_OF if reason_class.startswith(start)]
    return _FAULTS_OF[max(fitting, key=len)] if fitting else ()


def ask(away: Sequence[Mapping[str, Any]], labels: Labels, count: int) -> list[dict[str, Any]]:
    """So many labelled claims as questions, spread over gates and verdicts, which are not in them.

    A claim is asked once, and not where the second reader has labelled it.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    once = {_claim_of(told): told for told in away if _claim_of(told) not in labels.second}
    for told in sorted(
        once.values(), key=lambda t: hashlib.sha256(f"second {t['digest']}".encode()).digest()
    ):
        verdict = labels.find(_claim_of(told))
        if verdict is not None and name_faults(told["reason_class"]):
            groups.setdefault((told["reason_class"], verdict), []).append(told)
    chosen: list[Mapping[str, Any]] = []
    while len(chosen) < count and any(groups.values()):
        chosen += [group.pop() for group in groups.values() if group][: count - len(chosen)]
    chosen.sort(key=_number)
    return [{"number": _number(told), "text": told["text"], "other": told.get("other")} for told in chosen]


def _number(told: Mapping[str, Any]) -> str:
    """A name for a question that says nothing of the claim."""
    key = f"{told['digest']} {told['gate']} {told['reason_class']} {told.get('against')}"
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def _claim_of(told: Mapping[str, Any]) -> Claim:
    return Claim(told["digest"], told["gate"], told["reason_class"], told.get("against"))


def read_answers(away: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Label]:
    """The second reader's answers as labels. Raises LabelError for an answer to no question."""
    questions = {_number(told): told for told in away}
    found = []
    for answer in answers:
        told = questions.get(str(answer.get("number")))
        unknown = set(answer.get("faults", ())) - FAULTS.keys()
        if told is None or unknown:
            raise LabelError(
                f"answer {answer.get('number')!r}: no such question, or faults {sorted(unknown)}"
            )
        named = set(name_faults(told["reason_class"])) & set(answer["faults"])
        verdict = "arguable" if not answer.get("sure", True) else "right" if named else "wrong"
        why = str(answer.get("why", ""))
        facts = (told["corpus"], told["outcome"], verdict, why, "second", told["gates"])
        found.append(Label(_claim_of(told), *facts))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("away", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--answers", type=Path)
    args = parser.parse_args()
    labels = read_labels()
    if args.questions:
        head = {
            "faults": FAULTS,
            "answer": {"number": "...", "faults": ["cut_off"], "sure": True, "why": "..."},
        }
        _write(args.questions, [head, *ask(_read(args.away), labels, args.count)])
    if args.answers:
        write_labels(read_answers(_read(args.away), _read(args.answers)))


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def _write(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(x, ensure_ascii=False) + "\n" for x in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
