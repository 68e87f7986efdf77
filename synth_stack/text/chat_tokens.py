"""What stands between the turns of a conversation in the formats of known models, as patterns.

Written from the chat templates that the models publish: ChatML, Llama 2 and 3, Mistral, Gemma, Phi, Zephyr,
Command, ChatGLM, DeepSeek, GPT-2 and its heirs, Alpaca and Vicuna. Regular expressions for Rust's `regex` as
for Python's `re`; none nests one repetition in another over the same characters.
"""

SPECIAL_TOKENS = (
    r"<\|[A-Za-z][\w .:/-]{0,40}\|>|<｜[^<>\n｜]{1,40}｜>|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>"
    r"|\[/?(?:SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]|\[gMASK\]"
    r"|<(?:reserved_|unused|extra_id_)[0-9]{1,3}>"
)
"""Tokens that stand in no prose."""

SECTION_LABELS = r"(?m:^#{2,3} ?(?:Instruction|Response|Human|Assistant|User):)"
"""The headings of Alpaca's template and of those made after it."""

FORMAT_TOKENS = f"(?:{SPECIAL_TOKENS}|{SECTION_LABELS})"
"""What belongs between turns, and stands in none but one that is about it."""

SENTENCE_TOKENS = r"^\s*<s>|</s>\s*$|</s>\s*<s>"
"""Llama's beginning and end of text, at an end of a text; between words they strike out, in HTML."""

OWN_LABELS = r"^\s*(?:ASSISTANT|Assistant|### Assistant|AI|GPT4 Correct Assistant):\s"
OTHER_LABELS = r"\n(?:USER|HUMAN|Human|User|GPT4 Correct User):[ \n]"
"""The labels of Vicuna's template and its like in an answer: its own at the start, the user's further on."""

_NAMES = r"eo[stdm]|bos|sep|pad|cls|unk|mask|endof(?:text|turn)"
_PLAIN = r"end|stop|done|finish(?:ed)?"
_OF = (
    r"(?:[\s_-]?(?:of|the|token|text|txt|turn|sequence|seq|message|msg|response|answer|reply|output|document"
    r"|doc|completion|generation|conversation|chat|dialogue|dialog|sentence|string|sample|example)s?)"
)
_OPEN, _CLOSE = r"[<\[{(#|*_~%$@^=-]{1,6}[\s_|/]{0,2}", r"[\s_|]{0,2}[>\])}#|*_~%$@^=-]{1,6}$"

END_MARKERS = (
    rf"(?i:{_OPEN}(?:{_NAMES}){_OF}{{0,4}}{_CLOSE})|(?i:{_OPEN}(?:{_PLAIN}){_OF}{{1,4}}{_CLOSE})"
    rf"|(?i:[<\[|#]{{1,6}}\s?(?:{_PLAIN})\s?[>\]|#]{{1,6}}$)"
    rf"|[=~-]{{2,6}} ?END ?[=~-]{{2,6}}$|\n#{{2,3}} ?(?:END|End)$"
)
"""A marker between signs that says that a text is over, as its last word: `###eos_token###`, `[END]`,
`<eos>`. For a text without white space at its end."""

REASONING = (
    r"(?i:</?(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad|inner_monologue|chain_of_thought"
    r"|seed:think)>|\[/?THINK\]|◁/?think▷)"
)
"""The tags that models put around what they think before they answer."""

HINTS = (
    *(
        "<|",
        "<｜",
        "_of_turn>",
        "INST]",
        "SYS>>",
        "_PROMPT]",
        "_TOOLS]",
        "TOOL_",
        "[gMASK]",
        "<reserved_",
        "<unused",
    ),
    *("<extra_id", "<s>", "</s>"),
    *(
        f"#{gap}{name}:"
        for gap in ("", " ")
        for name in ("instruction", "response", "human", "assistant", "user")
    ),
    *(
        f"<{gap}{name}"
        for gap in ("", "/")
        for name in ("think", "thought", "reason", "reflect", "scratch", "inner_")
    ),
    *("chain_of_thought>", "seed:think>", "think]", "think▷"),
)
"""One of these, case aside, is in every text that a pattern above finds something in, but labels and ends."""
