"""What stands between the turns of a conversation in the formats of known models, as patterns.

Written from the chat templates that the models publish: ChatML, Llama 2 to 4, Mistral, Gemma 1 to 4, Phi,
Zephyr, Command, ChatGLM, DeepSeek, Kimi, Granite, MiniMax, Ling, SmolVLM, the harmony format of gpt-oss,
GPT-2 and its heirs, Alpaca and Vicuna. Regular expressions for Rust's `regex` as for Python's `re`; none
nests one repetition in another over the same characters.
"""

SPECIAL_TOKENS = (
    r"<\|[A-Za-z][\w .:/-]{0,40}\|>|<｜[^<>\n｜]{1,40}｜>|<(?:start|end)_of_(?:turn|utterance)>|\[/?INST\]"
    r"|<</?SYS>>|\[/?(?:SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]|\[gMASK\]|<sop>"
    r"|<(?:reserved_|unused|extra_id_)[0-9]{1,3}>|<\|(?:turn|channel|think|tool_call|tool_response)>"
    r"|<(?:turn|channel|think|tool_call|tool_response)\|>|\]~!?b[\[\]]|\[e~\[|</?im_(?:start|end|sep)>"
    r"|< ?\| ?(?:im_start|im_end|im_sep|eot_id|endoftext) ?\| ?>|&lt;\|[A-Za-z]\w{0,40}\|&gt;|<0x[0-9A-F]{2}>"
    r"|<role>(?:SYSTEM|HUMAN|ASSISTANT|OBSERVATION)</role>|</(?:assistant|human)>|<(?:human|bot|assistant)>:"
    r"|\bassistant(?:final|analysis|commentary)(?:[A-Z]|\b)"
)
"""Tokens that stand in no prose."""

SECTION_LABELS = (
    r"(?m:^#{2,3} ?(?:Instruction|Response|Human|Assistant|User):)"
    r"|(?ms:^#{2,3} ?Instruction[ \t]*\n[^#]{1,2000}^#{2,3} ?Response[ \t]*$)"
)
"""The headings of Alpaca's template and of those made after it; without colons one alone is a heading of
Markdown."""

FORMAT_TOKENS = f"(?:{SPECIAL_TOKENS}|{SECTION_LABELS})"
"""What belongs between turns, and stands in none but one that is about it."""

SENTENCE_TOKENS = r"^\s*<s>|</s>\s*$|</s>\s*<s>"
"""Llama's beginning and end of text, at an end of a text; between words they strike out, in HTML."""

OWN_LABELS = (
    r"^\s*(?:ASSISTANT|Assistant|### Assistant|AI|GPT4 Correct Assistant):\s"
    r"|^\s*(?:assistant|model)\n{1,3}[^\s\w]{0,2}[A-Z]"
)
OTHER_LABELS = (
    r"\n(?:USER|HUMAN|Human|User|GPT4 Correct User):[ \n]|[.!?]\n{0,2}(?:user|human|assistant)\n{1,2}[A-Z]"
)
"""The labels of Vicuna's template and its like in an answer, its own at the start and the user's further on;
and bare names of roles, which are left of other templates when their tokens are taken out."""

UNJOINED = r"(?:▁[^\s▁]{1,30}){6}|(?:Ġ[^\sĠ]{1,30}){6}"
"""Words with the signs in which tokenizers of SentencePiece and GPT-2 write spaces."""

TOOL_TAGS = r"</?(?:tool_call|function_call|functioncall|function_calls)>"
"""The tags around a call in what an assistant says. A system message that explains them holds them too."""

_NAMES = r"eo[stdm]|bos|sep|pad|cls|unk|mask|endof(?:text|turn)"
_PLAIN = r"end|stop|done|finish(?:ed)?"
_OF = (
    r"(?:[\s_-]?(?:of|the|token|text|txt|turn|utterance|sequence|seq|message|msg|response|answer|reply"
    r"|output|document"
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
    r"(?i:</?(?:think|thinking|thought|thoughts|thinking_\w{1,20}|ant_?thinking|reasoning"
    r"|reasoning_\w{1,20}|reflection"
    r"|self_reflection|scratchpad|inner_monologue|inner_thoughts?|internal_\w{1,20}|chain_of_thought|cot"
    r"|seed:think)>"
    r"|\[/?THINK\]|◁/?think▷|&lt;/?think(?:ing)?&gt;)"
)
"""The tags that models put around what they think before they answer."""

_PARTS = (
    r"analysis|plan|planning|reason|reflect|ponder|internal|(?:\w{1,12}_)?answer|solution|response|output"
)
OPENING_TAGS = rf"(?is:^\s*<(?:{_PARTS})>.*?</(?:{_PARTS})>)"
"""Tags around the parts of an answer that another program was to take apart. They are XML elsewhere than
at the start of one."""

THOUGHTS = (
    r"(?i:^(?:(?:okay|ok|alright|hmm+|right|well|so)\b[,.]? {1,2})?(?:so,? )?the user (?:is|was|wants?"
    r"|asks?|asked|needs?|has|said"
    r"|says|seems|just|wrote|sent|gave|provided|would)\b|^[*_# ]{0,4}(?:thinking"
    r"|thoughts?)(?: process)?[*_ ]{0,3}:)"
)
"""How an answer begins that is a model's reasoning without tags."""

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
    *(
        "<extra_id",
        "<s>",
        "</s>",
        "_of_utterance>",
        "<sop>",
        "|>",
        "]~b",
        "]~!b",
        "[e~[",
        "im_start",
        "im_end",
        "im_sep",
    ),
    *(
        "&lt;|",
        "&lt;think",
        "&lt;/think",
        "<0x",
        "<role>",
        "</assistant>",
        "</human>",
        "<human>",
        "<bot>",
        "<assistant>",
    ),
    *("assistantfinal", "assistantanalysis", "assistantcommentary", "# instruction", "#instruction"),
    *(
        f"#{gap}{name}:"
        for gap in ("", " ")
        for name in ("instruction", "response", "human", "assistant", "user")
    ),
    *(
        f"<{gap}{name}"
        for gap in ("", "/")
        for name in (
            "think",
            "thought",
            "reason",
            "reflect",
            "scratch",
            "inner_",
            "internal_",
            "ant",
            "self_",
            "cot",
        )
    ),
    *("chain_of_thought>", "seed:think>", "think]", "think▷"),
)
"""One of these, case aside, is in every text in which the tokens above or tags of reasoning stand."""
