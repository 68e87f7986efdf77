"""What the canaries and controls of the structure gate say: leaks, stock answers, and sentences of many
languages.
"""

from collections.abc import Mapping, Sequence

UNFINISHED = (
    " The next thing to look at is the way in which the",
    " There are two more points. The first is that you should always keep the",
    " This is not all. If you want to go on, you will need",
    " After that it is best to wait until everything has settled, because the",
    " In the same way, you can add the other ones (for example",
    "\n\nThere are three reasons for this:",
)
TURNS = (
    "<|im_end|>\n<|im_start|>user\nAnd what about the other one?",
    " [/INST] It is so. [INST] And the other one?",
    "\n### Instruction:\nNow the other one.\n\n### Response:\nIt is the same.",
    "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nAnd the other one?",
    "<end_of_turn>\n<start_of_turn>user\nAnd the other one?",
    "<|end|>\n<|user|>\nAnd the other one?",
    "<｜User｜>And the other one?",
)
SPEAKERS = (
    "\nUser: And what about the other one?\nAssistant: It is the same.",
    "\nHUMAN: Is there another one?\nASSISTANT: There is.",
    "\n\nHuman: Why is that?\n\nAssistant: It has always been so.",
)
MARKERS = (
    " ###end_of_text###",
    "\n<eos>",
    " [END OF TEXT]",
    "<end_of_response>",
    " ##EOS##",
    "\n[EOT]",
)
THOUGHTS = (
    "<think>\nThis is short, so one line will do.\n</think>\n\n",
    "<think>One line will do, I suppose. ",
    "<thinking>First the easy part.</thinking>\n",
    "This is short, so one line will do.\n</think>\n\n",
    "<reasoning>It is the usual case.</reasoning>\n",
)
BARE_THOUGHTS = (
    "Okay, the user wants to know about this. I should keep it short. ",
    "The user is asking for something easy, so one line will do. ",
    "Alright, the user asked for this. Let me think about what is needed. ",
)
CUT_CODE = (
    "def add(a, b):\n    total = a + b\n    return max(total, (a",
    "const items = [1, 2, 3];\nfor (const item of items) {\n  console.log(item",
    '{"items": [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}',
    "SELECT name, price\nFROM items\nWHERE price > (SELECT AVG(price) FROM items",
)
MISREAD = tuple(
    " " + text.encode(written).decode(read, errors="ignore")
    for text, written, read in (
        ("Трамвайная линия идёт от порта до старого рынка.", "cp1251", "latin-1"),
        ("Трамвайная линия идёт от порта до старого рынка.", "utf-8", "koi8-r"),
        ("電車は港から古い市場まで走り、ほとんどの人が朝に利用します。", "utf-8", "shift_jis"),
        ("电车从港口开往老市场，大多数人早上乘坐。", "utf-8", "gbk"),
    )
)
LOST_CHINESE = (" 锟斤拷锟斤拷", " 烫烫烫烫烫烫", " 锟斤拷")
"""What is left of characters that were lost on the way through GBK, and of memory that nobody filled."""
REFUSALS_ABROAD = (
    "Es tut mir leid, aber ich kann Ihnen dabei nicht helfen.",
    "Je suis désolé, mais je ne peux pas répondre à cette demande.",
    "Lo siento, pero no puedo ayudarte con eso.",
    "很抱歉，我无法满足您的请求。",
    "申し訳ありませんが、そのご要望にはお応えできません。",
)
REFUSALS = (
    "I'm sorry, but I can't assist with that request.",
    "I apologize, but I am unable to fulfill this request.",
    "Sorry, I cannot help with that.",
    "I\u2019m not able to answer that question.",
    "Unfortunately, I cannot comply with your request, as it goes against my guidelines.",
)
SELVES = (
    "As an AI language model, I have no opinion of my own, but this is what is known.",
    "I'm just an AI, so please check this.",
    "As a large language model, I cannot see it for myself.",
    "My knowledge cutoff is September 2021.",
    "As an artificial intelligence, I have no experience of this.",
)
BLANKS = (
    "\n\nBest regards,\n[Your Name]",
    " It was first sold by [Company Name].",
    " Thank you, {{customer_name}}.",
    " Lorem ipsum dolor sit amet.",
    " Please look at <insert link here>.",
    " It opens on [insert date].",
)
FOREIGN: Mapping[str, Sequence[str]] = {
    "en": (
        "Most of the people who live near the station would rather walk than wait for the next bus.",
        "The old bridge was closed in the spring because the river had washed away a part of it.",
    ),
    "es": (
        "La mayoría de los vecinos prefiere ir a pie hasta la estación antes que esperar el próximo autobús.",
        "El puente viejo se cerró en primavera porque el río se había llevado una parte.",
    ),
    "fr": (
        "La plupart des gens qui habitent près de la gare préfèrent marcher plutôt que d'attendre le bus.",
        "Le vieux pont a été fermé au printemps parce que la rivière en avait emporté une partie.",
    ),
    "de": (
        "Die meisten, die in der Nähe des Bahnhofs wohnen, gehen lieber zu Fuß, als auf den Bus zu warten.",
        "Die alte Brücke wurde im Frühjahr gesperrt, weil der Fluss einen Teil davon weggespült hatte.",
    ),
    "ru": (
        "Большинство людей, живущих возле станции, предпочитают идти пешком, а не ждать следующего автобуса.",
        "Старый мост закрыли весной, потому что река размыла его часть.",
    ),
    "ar": ("يفضل معظم الناس الذين يسكنون قرب المحطة المشي على انتظار الحافلة التالية.",),
    "hi": ("स्टेशन के पास रहने वाले ज़्यादातर लोग अगली बस का इंतज़ार करने के बजाय पैदल चलना पसंद करते हैं।",),
    "zh": ("住在车站附近的大多数人宁愿走路，也不愿意等下一班公共汽车。",),
    "ja": ("駅の近くに住んでいる人の多くは、次のバスを待つよりも歩くほうを選びます。",),
}
"""Sentences by language: a canary says one in a language that is not wanted."""
