"""Forms of the same defects that neither the canaries nor the benchmark plant, and innocent rows like them."""

import pytest

from synth_stack.gates.structure.batch_habits import Habits
from synth_stack.gates.structure.misread import find_misread
from synth_stack.gates.structure.torn_words import is_torn_end
from tests.gates.structure.judging import find_fault
from tests.some_rows import make_row

ASK = "Tell me about the tram line in the city."
SAY = "The tram line runs from the harbour to the old market. It stops at nine places on the way."
RUSSIAN = "Трамвайная линия идёт от порта до старого рынка."
JAPANESE = "電車は港から古い市場まで走ります。"

BAD = {
    "chat_tokens": [
        f"<|channel|>final<|message|>{SAY}", f"{SAY}<|eom|>", f"<|turn>model\n{SAY}", f"]~b]ai\n{SAY}",
        f"{SAY}<sop>", f"<|start_of_role|>assistant<|end_of_role|>{SAY}", f"<role>ASSISTANT</role>{SAY}",
        f"We think so.assistantfinal{SAY}", f"<im_start>assistant\n{SAY}", f"{SAY} < | im_end | >",
        f"{SAY}&lt;|im_end|&gt;", f"{SAY}<0x0A>", "▁The▁tram▁line▁runs▁from▁the▁harbour", f"assistant\n\n{SAY}",
        f"{SAY}user\nAnd then?", f"{SAY}\nQ: And the bus?\nA: It is slow.", f"<tool_call>{{}}</tool_call>{SAY}",
        "```rust\npub fn twice(n: i64) -> i64 { n * 2 }\n```\n\nUser: And thrice?\nAssistant: The same with 3.",
        f"{SAY}\n### Instruction\nAnd now?\n### Response\nYes.", f"<human>: hi\n<bot>: {SAY}",
    ],
    "end_marker": [f"{SAY} [END OF UTTERANCE]"],
    "reasoning_block": [
        f"<inner_thoughts>So.</inner_thoughts>{SAY}", f"<analysis>So.</analysis>{SAY}", f"<answer>{SAY}</answer>",
        f"&lt;think&gt;So.&lt;/think&gt;{SAY}", f"Okay, the user is asking about trams. {SAY}",
        "Okay, the user wants a loop. So:\nfor (let i = 0; i < 9; i++) {\n  console.log(i);\n}\nreturn i;",
        f"**Thinking:** They want it short.\n\n**Answer:** {SAY}", f"<antThinking>So.</antThinking>{SAY}",
    ],
    "mojibake": [
        RUSSIAN.encode("cp1251").decode("latin-1"), RUSSIAN.encode().decode("koi8-r"),
        RUSSIAN.encode("koi8-r").decode("cp1251"), JAPANESE.encode().decode("shift_jis", errors="ignore"),
        "电车从港口开往老市场，大多数人早上乘坐。".encode().decode("gbk", errors="ignore"),
        "La línea va del puerto al mercado con los niños.".encode().decode("cp437"),
        "It?s the tram that they don?t like.",
    ],
    "refusal": [
        "Es tut mir leid, aber ich kann Ihnen dabei nicht helfen.", "Je ne peux pas répondre à cette demande.",
        "Lo siento, pero no puedo ayudarte con eso.", "对不起，我无法回答这个问题。", "I'm not comfortable with this request.",
        "申し訳ありませんが、そのご要望にはお応えできません。", "Извините, но я не могу помочь с этим запросом.",
        "This request violates OpenAI's content policy.", "I'm really sorry, but I can't help you with this one.",
    ],
    "self_reference": [
        "I'm Qwen, created by Alibaba Cloud.", "Как языковая модель, я не имею мнения.", f"AIとして、{JAPANESE}",
    ],
    "placeholder": [
        f"{SAY} Ask <Name> at the desk.", f"{SAY} Call XXX-XXX-XXXX for more.", f"{SAY} It costs $XX.XX a ride.",
        f"{SAY} Ask [Ihr Name] there.", f"{SAY} 【您的姓名】", f"{SAY} Ask %NAME% there.", f"{SAY} (your name here)",
        f"{SAY} Hello None, come in.", "x = max(1, 2)\nprint(x)\n\nBest regards,\n[Your Name]",
        "x = max(1, 2)\nprint(x); Please write to us before [insert date].",
    ],
    "repetition": [
        f"{SAY} {'= ' * 60}", f"{SAY}\n{'It ends here; ' * 30}", f"{SAY} {'#' * 200}", f"{SAY}{chr(10) * 60}The end.",
        "a = 1\n" + "if (a == 1) { return 1; }\n" * 20, f"{SAY} {'2 * 3 = 6 ' * 30}", f"{SAY} {' ' * 60}",
    ],
}  # fmt: skip

INNOCENT = [
    ("What is her name?", "Her name is Ana"), ("Which letter is the answer?", "The answer to the last one is the letter q"),
    ("Write an 8x8 matrix of zeros.", "0 0 0 0 0 0 0 0\n" * 8), ("Write a list in HTML.", '<li><a href="#">Go</a></li>\n' * 9),
    ("Write about numerals.", "Thirty is XXX in Rome."), ("Explain the title of a report.", f"Title\n{'= ' * 30}\n{SAY}"),
    ("Translate 'I cannot help you with that' into Spanish.", "No puedo ayudarte con eso."),
    ("Wie baue ich eine Bombe?", "Ich kann Ihnen dabei nicht helfen."), ("Draw a line.", "-" * 200),
    ("Write XML with an answer in it.", "<answer>4</answer>"), ("What does the user want in this story?", "The user wants tea."),
    ("Write questions and answers.", "Q: How long?\nA: An hour.\nQ: How far?\nA: A mile."), ("What is <main>?", "<main> is a tag."),
    ("What are the Greek letters?", "α, β, γ, δ"), ("In Icelandic?", "Það er á þessu svæði."), ("In capitals?", "NÃO É. SÃO JOÃO."),
    ("What is a tree?", "├── a\n└── b"), ("Write a cover letter.", "Dear Sir,\n\nSincerely,\n[Your Name]"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "answer"), [(kind, text) for kind, texts in BAD.items() for text in texts])
def test_a_form_that_nobody_planted_is_found(kind: str, answer: str) -> None:
    assert find_fault(make_row(("user", ASK), ("assistant", answer)), languages=[])[0] == kind


@pytest.mark.parametrize(("ask", "answer"), INNOCENT)
def test_an_innocent_row_that_looks_like_one_passes(ask: str, answer: str) -> None:
    assert find_fault(make_row(("user", ask), ("assistant", answer)), languages=[])[0] is None


@pytest.mark.parametrize(
    "text", [SAY, RUSSIAN, JAPANESE, "电车从港口开往老市场。", "한국어 전차", "Zażółć gęślą jaźń"]
)
def test_text_of_any_language_was_read_rightly(text: str) -> None:
    assert find_misread(text) is None


WORDS = {"the": 4000, "that": 900, "th": 3, "safety": 12, "analysis": 40, "ad": 9, "add": 300, "line": 800}
HABITS = Habits(
    None,  # type: ignore[arg-type]  # no test here looks at fellows
    sorted([*WORDS, *(f"zz{n:05}" for n in range(5_000))]),
    [WORDS.get(word, 1) for word in sorted([*WORDS, *(f"zz{n:05}" for n in range(5_000))])],
)


@pytest.mark.parametrize(
    ("text", "is_torn"),
    [
        ("It was seen in the harbour and th", True), ("It is all about the analys", True), ("Her name is Ana", False),
        ("It was shown in the ad", False), ("It runs from the harbour w", True), ("It is one of the lines a", False),
        ("It is a part of the line of a", True), ("It runs. It stops there. Th", True), ("Day 1: Go.\nDay 2: Rest.\nDa", True),
        ("One of them.\nTwo of them.\nThree of them.\nT", True), ("so we get that x = y and x", False), ("Best,\nJo", False),
    ],
)  # fmt: skip
def test_a_torn_word_is_told_by_the_words_of_its_batch(text: str, *, is_torn: bool) -> None:
    assert is_torn_end(text, text, HABITS, is_alone=True) is is_torn
