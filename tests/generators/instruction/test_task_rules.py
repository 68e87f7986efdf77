"""Self-Instruct's lists, instances and filters, as the paper and its published code have them."""

import pytest

from synth_stack.generators.instruction.task_rules import (
    FILTERS,
    Instance,
    drop_invalid,
    find_filter,
    read_instances,
    read_kind,
    read_labelled,
    read_tasks,
)


@pytest.mark.parametrize(
    ("reply", "continued", "tasks"),
    [
        (
            " name a tree\n10. name a river\n11. name a hill",
            True,
            ["name a tree", "name a river", "name a hill"],
        ),
        ("9. name a tree\n10. name a river", False, ["name a tree", "name a river"]),
        ("1. name a tree\n2. name a river", False, ["name a tree", "name a river"]),
        ("Here they are:\n\n9) name a tree\n\n10) name a river", False, ["name a tree", "name a river"]),
        ("Task 9: name a tree\nTask 10: name a river", False, ["name a tree", "name a river"]),
        (
            "9. do this:\n1. wash\n2. dry\n10. name a river",
            False,
            ["do this:\n1. wash\n2. dry", "name a river"],
        ),
        (" do this:\n1. wash\n2. dry\n10. name a river", True, ["do this:\n1. wash\n2. dry", "name a river"]),
        ("name a tree", False, ["name a tree"]),
        ("9.\n10. name a river", False, ["name a river"]),
        ("", False, []),
        ("9. in 1999. it rained\n10. name a river", False, ["in 1999. it rained", "name a river"]),
    ],
)
def test_only_the_number_that_follows_begins_the_next_task(
    reply: str, continued: bool, tasks: list[str]
) -> None:
    assert read_tasks(reply, 9, continued=continued) == tasks


@pytest.mark.parametrize(
    ("instruction", "rule"),
    [
        ("Name three rivers.", "too_short (3 words)"),
        ("Name three long rivers.", None),
        ("word " * 150, None),
        ("word " * 151, "too_long (151 words)"),
        ("Describe what you see in the Picture above.", "keyword (picture)"),
        ("Describe what the profile says about her.", None),
        ("Please go to the shop and report.", "keyword (go to)"),
        ("Write a program that sorts some numbers.", "program (write a program)"),
        ("- Name three rivers of France.", "punctuation (-)"),
        ("Übersetze den Satz bitte ins Englische.", "not_english (Ü)"),
    ],
)
def test_an_instruction_is_dropped_by_the_published_rules(instruction: str, rule: str | None) -> None:
    assert find_filter(instruction, FILTERS) == rule


def test_a_filter_that_is_left_out_drops_nothing() -> None:
    said = "Übersetze den Satz bitte ins Englische."
    assert find_filter(said, [name for name in FILTERS if name != "not_english"]) is None


@pytest.mark.parametrize(
    ("reply", "is_classification"),
    [("Yes", True), (" yes.", True), ("**Yes**", True), ("No", False), ("Hardly", False), ("", False)],
)
def test_whatever_is_no_yes_is_no_classification(reply: str, is_classification: bool) -> None:
    assert read_kind(reply) is is_classification


def test_examples_are_read_with_input_and_output_of_several_lines() -> None:
    reply = "Example 1\nInput: a\n| b |\nOutput: c\n\n  d\nExample 2:\nInput: e\nOutput: f"
    assert read_instances(reply) == [Instance("a\n| b |", "c\n\n  d"), Instance("e", "f")]


def test_an_output_alone_is_an_instance_without_input() -> None:
    assert read_instances("Output:\n- tea\n- cocoa") == [Instance("", "- tea\n- cocoa")]
    assert read_instances("tea and cocoa") == []


def test_a_word_for_example_within_a_line_splits_nothing() -> None:
    assert read_instances("Output: an Example 2 of it") == [Instance("", "an Example 2 of it")]


def test_a_second_pair_in_one_example_is_left_out() -> None:
    assert read_instances("Input: a\nOutput: b\nInput: c\nOutput: d") == [Instance("a", "b")]


def test_labels_are_read_with_the_inputs_after_them() -> None:
    reply = "Class label: late\nMessage: where is it?\nsince Friday\nClass label: lost\nMessage: gone"
    assert read_labelled(reply) == [
        Instance("Message: where is it?\nsince Friday", "late"),
        Instance("Message: gone", "lost"),
    ]
    assert read_labelled("Class label: Montreal") == [Instance("", "Montreal")]
    assert read_labelled("late") == []


@pytest.mark.parametrize(
    ("instances", "kept"),
    [
        ([("a", "")], []),
        ([("a", "a")], []),
        ([("a:", "b"), ("c", "d:")], []),
        ([("a", "b"), ("a", "c")], []),  # one input with two outputs spoils its task
        ([("", "b"), ("", "c")], [("", "b"), ("", "c")]),
        ([("a", "b"), ("a", "b"), ("c", "d")], [("a", "b"), ("c", "d")]),
    ],
)
def test_instances_of_no_use_are_dropped(
    instances: list[tuple[str, str]], kept: list[tuple[str, str]]
) -> None:
    assert drop_invalid([Instance(*each) for each in instances]) == [Instance(*each) for each in kept]
