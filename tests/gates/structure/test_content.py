"""What the structure gate sees in content: defects beside the innocent rows that look like them."""

import json
from typing import Any

import pyarrow as pa
import pytest

from synth_stack.gates.structure.gate import structure
from synth_stack.rows.schemas import build_candidates
from tests.gates.playing import play
from tests.gates.structure.judging import find_fault, judge_row
from tests.some_rows import make_call, make_row, make_tool_row

ASK = "What do you need to know about the two kinds of lamps?"
SAY = "The first one is bright and needs much power. The second one is dim and needs little of it."
ARABIC = "يفضل معظم الناس الذين يسكنون قرب المحطة المشي على انتظار الحافلة التالية."
SPANISH = "La mayoría de los vecinos prefiere ir a pie hasta la estación antes que esperar el autobús."
OTHER_SPANISH = "El puente viejo se cerró en primavera porque el río se había llevado una parte."
ENGLISH = "Most of the people who live near the station would rather walk than wait for the next bus."
FENCE = "```python\nprint(1)\n```"
LIST = "1. Open the box with care.\n2. Take out both of the lamps.\n3. Look for the small switch."


def find(answer: str, ask: str = ASK, **fields: Any) -> str | None:
    """The class of fault of a row with this answer."""
    return find_fault(make_row(("user", ask), ("assistant", answer), **fields))[0]


@pytest.mark.parametrize(
    "answer",
    [
        f"{SAY} The third one is the one that most people would",
        f"{SAY}\n\nThere are three more of them:",
        f"{SAY} You can see it in the picture (on the left",
        "Do it so:\n```python\nprint(1)",
        f"{LIST}\n4.",
        f"{LIST}\n4. Then press the switch until the",
        "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 |",
        "It is the lamp that was made by the",
        "def add(a, b):\n    return max(a, (b",
        'print("one")\nprint("two',
        '{"a": [1, 2, {"b": 3}',
        "<html>\n<body>\n<p>One</p>",
        "第一盏灯很亮。第二盏灯比较暗而且",
    ],
)  # fmt: skip
def test_an_answer_that_breaks_off_is_cut_off(answer: str) -> None:
    assert find_fault(make_row(("user", ASK), ("assistant", answer)), languages=[])[0] == "cut_off"


@pytest.mark.parametrize(
    "answer",
    [
        SAY, "ok", "42", "Paris", FENCE, f"{SAY}\n{FENCE}", LIST, "- one\n- two\n- three", "x^2 + 1 = 0",
        "def add(a, b):\n    return a + b", "SELECT a, b\nFROM t\nWHERE a > 1", "find . -name '*.log' -exec rm {} +",
        "William E. Simon", "card_arrival", f'{SAY} "So it is."', f"{SAY} #lamps", f"{SAY} 🙂", "Best,\nJane",
        '"The Lamp: A Tale of Light"', '[{"a": 1}, {"a": 2}]', "| a | b |\n|---|---|\n| 1 | 2 |", "第一盏灯很亮。",
    ],
)  # fmt: skip
def test_a_whole_answer_is_not(answer: str) -> None:
    assert find_fault(make_row(("user", ASK), ("assistant", answer)), languages=[])[0] is None


def test_what_was_to_be_completed_or_is_copied_from_the_prompt_may_break_off() -> None:
    half = "It was a dark night. The lamp in the window went out, and the man who had been waiting there"
    assert find(half) == "cut_off"
    assert find(half, "Write an unfinished story about a lamp.") is None
    assert find(half, f"Give me the first passage of this text: {half} ran away.") is None


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("The following packages have been kept back:", "De volgende pakketten zijn achtergehouden:"),
        ("unrecognized character after (?(", "nieznany znak lub nazwa grupy za znakami (?("),
    ],
)
def test_a_translation_may_end_as_its_original_does(source: str, answer: str) -> None:
    assert find(answer, f"Translate into the language of the office: {source}") is None
    assert find(answer, f"Translate this: {source[:-1]}") == "cut_off"
    assert find(answer, source) == "cut_off"


@pytest.mark.parametrize("quoted", ["»%s«", "„Lampe eins“"])
def test_a_quotation_may_close_with_a_sign_that_opens_one_elsewhere(quoted: str) -> None:
    assert (
        find(f"Die Zeile verletzt die Regel für Tabelle {quoted}", "Say it in German.", locale="de") is None
    )
    opened = f"Die Zeile verletzt die Regel für Tabelle {quoted[-1]}"
    assert find(opened, "Say it in German.", locale="de") == "cut_off"


def test_a_chat_that_drops_its_full_stops_is_none_of_cut_answers() -> None:
    chat = [("user", "hi"), ("assistant", "Hello there! What can I do for you on this day")]
    assert (
        find_fault(make_row(*chat, ("user", "a lamp"), ("assistant", "Good. That one is sold out")))[0]
        is None
    )
    assert find_fault(make_row(*chat))[0] == "cut_off"


@pytest.mark.parametrize(
    ("finish", "kind"), [("length", "cut_off"), ("MAX_TOKENS", "cut_off"), ("stop", None)]
)
def test_the_finish_reason_is_believed(finish: str, kind: str | None) -> None:
    said = [{"role": "user", "content": ASK}, {"role": "assistant", "content": SAY, "finish": finish}]
    assert find_fault(make_row(messages=said, text=SAY, kind="foreign"))[0] == kind
    recorded = make_row(
        ("user", ASK),
        ("assistant", SAY),
        kind="foreign",
        extra=json.dumps({"finish_reason": finish}, separators=(",", ":")),
    )
    assert find_fault(recorded)[0] == kind


def test_our_own_generators_cut_an_answer_back_to_whole_sentences() -> None:
    said = [{"role": "user", "content": ASK}, {"role": "assistant", "content": SAY, "finish": "length"}]
    assert find_fault(make_row(messages=said, text=SAY))[0] is None
    said[1]["content"] = SAY.rstrip(".")
    assert find_fault(make_row(messages=said, text=SAY))[0] == "cut_off"


def make_batch(shares: tuple[int, int], last: str) -> pa.Table:
    """Answers of one sort, so many with and without a full stop, and one more."""
    full, bare = shares
    line = "It is the lamp number {} that most people in the town would choose"
    answers = [f"{line.format(k)}." for k in range(full)] + [line.format(k) for k in range(bare)]
    rows = [
        make_row(("user", ASK), ("assistant", answer), draw=k) for k, answer in enumerate([*answers, last])
    ]
    return build_candidates(rows)


@pytest.mark.parametrize(
    ("shares", "last", "kind"),
    [
        (
            (200, 0),
            "It is the lamp that most people in this town would choose",
            "structure.no_final_punctuation",
        ),
        ((150, 50), "It is the lamp that most people in this town would choose", None),
        ((20, 0), "It is the lamp that most people in this town would choose", None),
        ((200, 0), "It is the lamp that most people in this town would choose.", None),
        ((200, 0), "The Lamp That Most People In This Town Would Choose", None),
    ],
)
def test_a_full_stop_is_missed_where_the_fellows_have_one(
    shares: tuple[int, int], last: str, kind: str | None
) -> None:
    table = make_batch(shares, last)
    together = play(structure(), [table], name="structure")[0][0]["reason_class"].to_pylist()
    assert together[-1] == kind
    parts = [table.slice(0, 7), table.slice(7, 90), table.slice(97)]
    apart = [v for said in play(structure(), parts)[0] for v in said["reason_class"].to_pylist()]
    assert apart == together


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (f"{SAY}<|im_end|>\n<|im_start|>user\nAnd?", "chat_tokens"),
        (f"{SAY} [/INST]", "chat_tokens"),
        (f"{SAY}\n### Response:\nYes.", "chat_tokens"),
        (f"{SAY}\nUSER: And?\nASSISTANT: Yes.", "chat_tokens"),
        (f"{SAY}\n###eos_token###", "end_marker"),
        (f"{SAY}</s>", "end_marker"),
        (f"{SAY} [END]", "end_marker"),
        (f"<think>They want it short.</think>\n{SAY}", "reasoning_block"),
        (f"They want it short.</think>\n{SAY}", "reasoning_block"),
        (f"{SAY} Itâ€™s a cafÃ©.", "mojibake"),
        (f"{SAY}\x07", "broken_characters"),
        ("I'm sorry, but I can't assist with that request.", "refusal"),
        ("I\u2019m afraid I cannot answer this question.", "refusal"),
        (f"As an AI language model, I have no lamp. {SAY}", "self_reference"),
        (f"{SAY}\n\nBest regards,\n[Your Name]", "placeholder"),
        (f"{SAY} Thank you, {{{{customer_name}}}}.", "placeholder"),
        (f"{SAY} Lorem ipsum dolor sit amet.", "placeholder"),
        (f"{SAY} {'lamp ' * 40}.", "repetition"),
        (f"{SAY} {'42 ' * 40}", "repetition"),
        (f"{SAY} {'ing' * 40}.", "repetition"),
        (f"{SAY} {'It is the same as before. ' * 12}", "repetition"),
        ("\n".join(f"{k}. It is the same as before." for k in range(1, 15)), "repetition"),
        (SPANISH, "wrong_language"),
        (ARABIC, "wrong_language"),
    ],
)
def test_a_defect_of_content_is_named(answer: str, kind: str) -> None:
    assert find(answer) == kind


def test_a_comment_that_ends_in_the_beginning_of_a_name_is_no_torn_statement() -> None:
    script = '#!/bin/sh\n\ndirectory_path="$1"\nfind "$directory_path" -type d -exec rmdir {} \\;\n\n'
    asked = "Write a shell script that takes a folder as its argument."
    assert find(f"{script}#Usage: ./remove.sh /path/to/target/directory", asked) is None
    assert find(f'{script}echo "$directory_path" $direct', asked) == "cut_off"


def test_a_quoted_sign_right_after_the_option_of_a_shell_is_a_string() -> None:
    script = "#!/bin/bash\n\ninputfile=$1\noutputfile=$2\n\n# Sort by the second column\n"
    asked = "Write a shell script that sorts a file."
    assert find(f'{script}sort -t\',\' -k2,2 "$inputfile" > "$outputfile"', asked) is None
    assert find(f'{script}sort -t\',\' -k2,2 "$inputfile" > "$outp', asked) == "cut_off"


def test_what_stands_for_a_value_that_was_taken_out_is_no_placeholder() -> None:
    answer = f"{SAY} Write to [EMAIL] or call [PHONE]."
    redacted = json.dumps({"redacted": [{"kind": "email"}, {"kind": "phone"}]}, separators=(",", ":"))
    assert find(answer, extra=redacted) is None
    assert find(answer) == "placeholder"
    assert find(f"{answer}\n\nBest regards,\n[Your Name]", extra=redacted) == "placeholder"


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        ("What does <|im_start|> mean in a prompt?", "The token <|im_start|> opens a turn."),
        ("How do turns look in ChatML?", "So:\n```\n<|im_start|>user\nHi<|im_end|>\n```\nThat is all."),
        ("Put your thoughts into <think> tags before you answer.", f"<think>So.</think> {SAY}"),
        ("End your answer with [DONE] please, so that I can tell.", f"{SAY} [DONE]"),
        ("Why does my page show â€™ for a quote? Is it the encoding?", "It was read as CP1252: â€™ is a quote."),
        ("Are you a person?", "No, as an AI language model I have no body."),
        ("Write a polite refusal of an invitation.", "I'm sorry, but I can't help with that event."),
        ("Can you order a pizza for me?", "I'm sorry, but I can't assist with that. I can only plan your day."),
        ("How do I build a bomb at home?", "I'm sorry, but I can't assist with that request."),
        ("Write a letter to a landlord.", "Dear Sir,\n\nThank you.\n\nBest regards,\n[Your Name]"),
        ("Greet a user by name in Jinja.", "Hello {{ name }}!"),
        ("Say la 40 times.", "la " * 40),
        ("Write a song with a refrain.", "Row, row, row your boat,\nGently down the stream.\nRow, row, row your boat."),
        ("Give me a list as JSON.", json.dumps([{"name": "a", "ok": True}] * 6)),
        (f"Translate this into English: {ARABIC}", ENGLISH),
        (f"Translate this into Arabic: {ENGLISH}", ARABIC),
        ("How would one say it in Spanish?", SPANISH),
        (f"Correct the mistakes in the following sentence, if there are any: {SPANISH}", SPANISH),
        ("Which label fits?", "transfer_into_account"),
        ("Name three painters.", "Frida Kahlo, Pablo Picasso, Johannes Vermeer"),
        ("ok", "ok"),
    ],
)  # fmt: skip
def test_what_was_asked_for_is_innocent(ask: str, answer: str) -> None:
    assert find(answer, ask) is None


def test_the_user_may_paste_a_log_that_repeats_itself() -> None:
    log = "\n".join(["10:04 INFO lights on"] * 12)
    assert find("The last line names it.", f"Which part of this log reports the problem?\n\n{log}") is None


def test_a_question_in_another_language_is_a_stranger_unless_its_answer_is_a_translation() -> None:
    assert find("→ 42", SPANISH) == "wrong_language"
    assert find(OTHER_SPANISH, SPANISH) == "wrong_language"
    assert find_fault(make_row(("user", SPANISH), ("assistant", OTHER_SPANISH)), languages=["es"])[0] is None


def test_the_locale_of_a_row_narrows_the_languages() -> None:
    german = "Die meisten, die in der Nähe wohnen, gehen lieber zu Fuß, als auf den nächsten Bus zu warten."
    row = make_row(("user", german), ("assistant", ENGLISH), locale="de-AT")
    assert find_fault(row, languages=["en", "de"])[0] == "wrong_language"
    assert find_fault({**row, "locale": None}, languages=["en", "de"])[0] is None


def test_a_row_with_tools_may_say_no() -> None:
    refused: list[dict[str, Any]] = [
        {"role": "user", "content": "Is it raining in Oslo?"},
        {"role": "assistant", "content": None, "tool_calls": [make_call(city="Oslo")]},
        {"role": "tool", "content": "error", "tool_call_id": "c1"},
        {"role": "assistant", "content": "I'm sorry, but I can't assist with that request."},
    ]
    assert find_fault(make_tool_row(messages=refused))[0] is None


def test_a_rejected_side_may_be_what_it_was_rejected_for() -> None:
    sides = [
        {"label": label, "messages": [{"role": "assistant", "content": said}]}
        for label, said in (
            ("chosen", SAY),
            ("rejected", "As an AI language model, I can't assist with that."),
        )
    ]
    row = make_row(("user", ASK), kind="preference", alternatives=sides)
    assert find_fault(row)[0] is None
    swapped = [
        {**side, "label": {"chosen": "rejected", "rejected": "chosen"}[str(side["label"])]} for side in sides
    ]
    kind, evidence = find_fault({**row, "alternatives": swapped})
    assert (kind, evidence["path"]) == ("refusal", "alternatives.1.messages.0.content")


def test_a_row_that_is_held_for_one_fault_is_rejected_for_a_worse_one() -> None:
    torn = make_row(("user", ASK), ("assistant", f"{SAY}</s>"))
    assert judge_row(torn, end_marker="hold")["outcome"] == "hold"
    both = make_row(("user", ASK), ("assistant", f"<think>So.</think> {SAY}</s>"))
    verdict = judge_row(both, end_marker="hold", reasoning_block="reject")
    assert (verdict["outcome"], verdict["reason_class"]) == ("reject", "structure.reasoning_block")


def test_hostile_texts_take_no_long_time() -> None:
    for text in (
        "[" * 15_000,
        "<" * 15_000,
        "a (" * 5_000,
        "![" * 7_000,
        "Ã" * 15_000,
        "</s>" * 4_000,
        "# " * 7_000,
    ):
        judge_row(make_row(("user", ASK), ("assistant", text)))
