"""Which of several solutions is kept: by the truth where it is known, else by the vote."""

from collections.abc import Sequence
from dataclasses import dataclass

from synth_stack.text.final_answers import FinalAnswer, find_marked_answer, is_same_answer, read_stated_answer

_MARK = "####"


@dataclass(frozen=True, slots=True)
class Vote:
    """The place of the solution that is kept, how many say the same, and the final answers in order."""

    chosen: int
    agreeing: int
    answers: tuple[str | None, ...]


def part_truth(seed: str) -> tuple[str, str | None]:
    """A problem and the truth that stands under it after `####`, as in GSM8K; None where there is none."""
    problem, mark, truth = seed.rpartition(_MARK)
    if not mark or not problem.strip() or not truth.strip() or "\n" in truth.strip():
        return seed.strip(), None
    return problem.strip(), truth.strip()


def vote(solutions: Sequence[str | None], truth: str | None) -> Vote:
    """The first solution that has the truth, or the first of those whose answer most have.

    Raises ValueError where none has an answer, none has the truth, or two answers have as many votes.
    """
    answers = tuple(None if text is None else find_marked_answer(text) for text in solutions)
    read = [_read(answer) for answer in answers]
    if not any(answer is not None for answer in read):
        raise ValueError("no solution has a final answer")
    if truth is not None:
        wanted = read_stated_answer(truth)
        right = [k for k, answer in enumerate(read) if answer is not None and is_same_answer(answer, wanted)]
        if not right:
            raise ValueError(f"none of {len(answers)} solutions has the truth")
        return Vote(right[0], len(right), answers)
    groups: list[tuple[FinalAnswer, list[int]]] = []
    for place, answer in enumerate(read):
        if answer is None:
            continue
        own = next((places for said, places in groups if is_same_answer(answer, said)), None)
        if own is None:
            groups.append((answer, [place]))
        else:
            own.append(place)
    ranked = sorted((places for _, places in groups), key=lambda places: (-len(places), places[0]))
    if len(ranked) > 1 and len(ranked[0]) == len(ranked[1]):
        raise ValueError(f"two answers have {len(ranked[0])} of {len(answers)} votes each")
    return Vote(ranked[0][0], len(ranked[0]), answers)


def _read(answer: str | None) -> FinalAnswer | None:
    try:
        return None if answer is None else read_stated_answer(answer)
    except ValueError:
        return None
