"""Each prompt of a preview is told once; of one that is much like another the lines that differ."""

from synth_stack.cli.asked_prompts import AskedPrompts

JUDGE = "Rate this answer.\n====\n{}\n====\nWrite one number."


def prompt(column: str, text: str) -> dict[str, str]:
    return {"column": column, "text": text}


def test_what_is_asked_several_times_is_told_once_with_all_its_columns() -> None:
    told = list(AskedPrompts().tell([prompt(f"answer_{k}", "Where is it?") for k in (1, 2, 3)]))
    assert told == [
        (
            "prompt for answer_1, asked again for answer_2 and answer_3: the random seed alone differs",
            "Where is it?",
        )
    ]


def test_of_a_prompt_like_one_before_the_lines_that_differ_are_told() -> None:
    prompts = [prompt(f"rating_{k}", JUDGE.format(said)) for k, said in enumerate(("One.", "Two.\nMore."), 1)]
    assert list(AskedPrompts().tell(prompts)) == [
        ("prompt for rating_1", JUDGE.format("One.")),
        ("prompt for rating_2, as for rating_1 but for these lines", "...\nTwo.\nMore.\n..."),
    ]


def test_prompts_with_little_in_common_and_those_of_other_columns_are_told_whole() -> None:
    prompts = [
        prompt("turn_1", "a\nb\nc"),
        prompt("turn_2", "d\ne\nc"),
        prompt("answer", "a\nb\nd"),
    ]
    told = list(AskedPrompts().tell(prompts))
    assert told == [(f"prompt for {each['column']}", each["text"]) for each in prompts]


def test_a_prompt_of_a_row_before_is_named_and_not_told_again() -> None:
    asked = AskedPrompts()
    first = list(asked.tell([prompt("instruction", "")]))
    assert first == [("prompt for instruction", "")]
    assert list(asked.tell([prompt("instruction", "")])) == [
        ("prompt for instruction, as in a row above", "")
    ]
    assert list(asked.tell([])) == []
