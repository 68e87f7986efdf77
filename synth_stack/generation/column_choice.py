"""Which columns of a pipeline are the prompt and the answer; where that is open the author has to say it."""

from collections.abc import Collection, Mapping, Sequence

from synth_stack.errors import ConfigError
from synth_stack.generation.column_writers import METADATA
from synth_stack.inputs.columns import (
    ANSWER_COLUMNS,
    CONVERSATION_COLUMNS,
    PROMPT_COLUMNS,
    check_map,
    suggest_pair,
)

PROMPTS = (*PROMPT_COLUMNS, "evolved_instruction", "evolved_instructions", "instructions")
"""Columns that a task of distilabel calls what is asked."""

ANSWERS = (
    *(name for name in ANSWER_COLUMNS if name not in {"chosen", "output"}),
    "generations",
    "evolved_response",
    "evolved_responses",
    "revision",
    "accepted_solution",
    "golden_answers",
)
"""Columns that a task of distilabel calls what was answered."""

CALLED = ("query", "answers", "tools")
"""Columns that together say which tools were called for what, as APIGen gives them."""

STEPWISE = ("prompt", "completions", "labels")
"""Columns that together are an answer whose steps were marked, as FormatPRM gives them for TRL."""

_COMPARED = ({"chosen", "rejected"}, {"generations", "ratings"})
"""Columns that together say which answers were compared: they go before a single answer."""

_BESIDE = ("model_name", "keep_row_after_", "thought", "rational", "score", "rating", "label")
"""How columns begin that stand beside an answer: they are no guess for what it is."""


def check_columns(
    pipeline: str, columns: Sequence[str], named: Mapping[str, str], written: Collection[str] = ()
) -> None:
    """Refuses columns of a leaf that leave open what is the prompt or the answer, with the line to add.

    `written` are the columns that a model writes. Raises ConfigError.
    """
    check_map(named)
    if named:
        _check_named(pipeline, columns, named, written)
        return
    if any(pair <= {*columns} for pair in (*_COMPARED, {*CALLED}, {*STEPWISE})):
        return
    if any(name in columns for name in CONVERSATION_COLUMNS):
        return
    prompts = [name for name in PROMPTS if name in columns]
    answers = _find_answers(columns)
    unclear = [names for names in (prompts, answers) if len(names) > 1]
    if unclear:
        raise ConfigError(
            f"pipeline {pipeline}: more than one column could be the prompt or the answer",
            seen="; ".join(", ".join(names) for names in unclear),
            mend=f"Say which: {_draw_call(columns, written, prompts, answers)}.",
        )
    if answers and not prompts and answers != ["generation"]:
        raise ConfigError(
            f"pipeline {pipeline}: no column of its last step says what the prompt is",
            seen=", ".join(columns),
            allowed=", ".join((*CONVERSATION_COLUMNS, *PROMPTS)),
            mend=f"Name it: {_draw_call(columns, written, prompts, answers)}.",
        )
    if not answers and (prompts or "text" not in columns):
        raise ConfigError(
            f"pipeline {pipeline}: no column of its last step says what the answer is",
            seen=", ".join(columns),
            allowed=", ".join((*CONVERSATION_COLUMNS, *ANSWERS, "text")),
            mend=f"Name it: {_draw_call(columns, written, prompts, answers)}.",
        )


def _check_named(
    pipeline: str, columns: Sequence[str], named: Mapping[str, str], written: Collection[str]
) -> None:
    missing = [column for column in named.values() if column not in columns]
    if missing:
        raise ConfigError(
            f"pipeline {pipeline}: columns names what its last step does not give",
            seen=", ".join(missing),
            allowed=", ".join(columns),
        )
    left = [name for name in columns if name not in named.values()]
    prompts = [name for name in PROMPT_COLUMNS if name in left]
    answers = [name for name in ANSWER_COLUMNS if name in left]
    compared = {"chosen", "rejected"} & named.keys()
    for field, other, usual in (("prompt", "answer", answers), ("answer", "prompt", prompts)):
        if field in named and other not in named and len(usual) != 1 and not compared:
            pair = [named[field]]
            found = (pair, usual) if field == "prompt" else (usual, pair)
            raise ConfigError(
                f"pipeline {pipeline}: columns names the {field}, and leaves open what the {other} is",
                seen=", ".join(usual or columns),
                mend=f"Name both: {_draw_call(columns, written, *found)}.",
            )


def _find_answers(columns: Sequence[str]) -> list[str]:
    answers = [name for name in ANSWERS if name in columns]
    if "generation" in answers and not {"evolved_instruction", "evolved_response"} & {*columns}:
        return ["generation"]  # what a TextGeneration wrote goes before what the data came with
    return answers


def _draw_call(
    columns: Sequence[str], written: Collection[str], prompts: Sequence[str], answers: Sequence[str]
) -> str:
    """The line to add, filled in as far as can be guessed."""
    guessed = _guess_fields(columns, written, prompts, answers)
    line = ", ".join(f'"{field}": "{name}"' for field, name in guessed.items())
    return f"generate(pipeline, out, columns={{{line}}})"


def _guess_fields(
    columns: Sequence[str], written: Collection[str], prompts: Sequence[str], answers: Sequence[str]
) -> dict[str, str]:
    free = [name for name in columns if name != METADATA and not name.startswith(_BESIDE)]
    prompt, answer = _pick_last_made(prompts), _pick_last_made(answers)
    if prompt is None:
        asked = [name for name in free if name != answer]
        came = [name for name in asked if name not in written]
        prompt = next((name for name in (suggest_pair(asked)[0], *came, *asked) if name), None)
    others = [name for name in free if name != prompt]
    better, worse = (
        next((name for name in others if sign in name), None) for sign in ("positive", "negative")
    )
    if prompt and answer is None and better and worse:
        return {"prompt": prompt, "chosen": better, "rejected": worse}
    if answer is None:
        made = [name for name in others if name in written]
        beside = [name for name in columns if name not in {*free, METADATA, "model_name"}]
        text = "text" if prompts and "text" in others else None  # the answer that the prompt was written for
        likely = (suggest_pair(others)[1], text, *reversed(made), *reversed(others), *reversed(beside))
        answer = next((name for name in likely if name), None)
    if prompt is None or answer is None:
        return {"text": prompt or answer or "..."}
    return {"prompt": prompt, "answer": answer}


def _pick_last_made(names: Sequence[str]) -> str | None:
    """Of several the one that was made last: what evolved, and not what it was made from."""
    return next((name for name in names if name.startswith("evolved")), names[0] if names else None)
