"""Prints what the structure gate catches of planted defects, and what it turns away of ordinary rows.

    python benchmarks/structure.py ../shared/data [--develop] [--planted 200] [--show 5]

CORPORA is the folder of public corpora that ../shared/data/README.md describes. Corpora are parted, not rows:
the develop ones were read while the gate was fitted, the judge ones are the default. Each defect is planted
into up to so many rows, drawn over all corpora of a side. What the gate learns of a batch it learns from the
other rows, with the defect in one in a hundred of those that can bear it. The two corpora of another language
are judged under gates for it.
"""

import argparse
import csv
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth_stack.gates.gate import Judge, State
from synth_stack.gates.structure.gate import structure
from synth_stack.inputs.foreign import open_records, read_candidates
from synth_stack.stats.intervals import wilson

Record = dict[str, Any]
Spoil = Callable[[str, str, random.Random], str | None]

DEVELOP_LOGS = {"Android", "Apache", "Hadoop", "HealthApp", "Linux"}
LANGUAGES = {"xquad_es": "es", "xquad_zh": "zh"}
MARKERS = (
    "<|endoftext|>",
    "</s>",
    "###eos_token###",
    "[EOS]",
    "<eos>",
    "<END_OF_TURN>",
    "[END OF TEXT]",
    "<|end|>",
    "## END ##",
    "{{eot}}",
    "<｜end▁of▁sentence｜>",
    "***END OF RESPONSE***",
    "<pad>",
    "[DONE]",
)
TOKENS = (
    "<|im_start|>",
    "<|im_end|>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<|user|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<｜User｜>",
    "<|assistant|>",
    "<|fim_prefix|>",
    "[gMASK]",
)
LEAKS = (
    "\n### Instruction:\nAnd now the other one.\n\n### Response:\nYes.",
    "\n\nHuman: And then?\n\nAssistant: Go on.",
    "\nUSER: Why is that?\nASSISTANT: Because it is so.",
    "\n### Human: Next?\n### Assistant: Yes.",
    "\n<|im_start|>user\nAnd then?",
    "\n[INST] What else? [/INST]",
)
THOUGHTS = (
    "<think>They want the short form.</think>\n",
    "<think>\nWhat is asked here? Let me see.\n\n",
    "<thinking>First I look at the question.</thinking>\n",
    "</think>\n",
    "[THINK]Easy.[/THINK]",
    "<reasoning>It is the second one.</reasoning>\n",
    "<scratchpad>12 and 7</scratchpad>\n",
)
REFUSALS = (
    "I'm sorry, but I can't assist with that request.",
    "Sorry, I cannot help with this.",
    "I apologize, but I am not able to fulfill your request.",
    "I'm unable to provide that information.",
    "Unfortunately, I cannot complete this task.",
    "I must decline to answer that.",
    "I can\u2019t help you with that, as it goes against my guidelines.",
    "I am not able to assist you with this.",
    "I'm afraid I cannot answer this question.",
    "I won't be able to help with that.",
)
SELVES = (
    "As an AI language model, I do not have opinions, but here it is. ",
    "As an AI, I don't have feelings. ",
    "I am just a language model, so take this with care. ",
    "As a large language model, I can tell you this: ",
    "I'm an AI assistant and have no body. ",
    "My knowledge cutoff is 2021. ",
    "I was trained by OpenAI. ",
)
BLANKS = (
    "\n\nBest regards,\n[Your Name]",
    " Please come by [insert date].",
    " Dear {{customer_name}}, thank you.",
    " Lorem ipsum dolor sit amet, consectetur.",
    " <insert example here>",
    "\nTODO: write the rest.",
    " It was made by [Company Name] in [City].",
    " Hello {name}, welcome.",
)
FOREIGN = (
    "El proceso empieza con la preparación de los materiales y termina cuando todo se ha secado.",
    "Zuerst prüft man die Unterlagen, danach wird der Antrag bei der zuständigen Stelle eingereicht.",
    "Les résultats montrent que la plupart des participants préfèrent travailler le matin.",
    "La strada porta fino al paese vecchio, dove ogni domenica si tiene un piccolo mercato.",
    "Os alunos devem entregar o trabalho até sexta-feira, caso contrário a nota será reduzida pela metade.",
    "De meeste mensen fietsen naar hun werk omdat het goedkoper is dan met de auto te gaan.",
    "Większość mieszkańców uważa, że nowa linia tramwajowa poprawi dojazd do centrum miasta.",
    "Большинство жителей считает, что новая линия трамвая улучшит доступ к центру города.",
    "大多数居民认为新的电车线路会改善前往市中心的交通。",
    "ほとんどの住民は、新しい路線によって市の中心部への交通が便利になると考えています。",
    "يعتقد معظم السكان أن الخط الجديد سيحسن الوصول إلى وسط المدينة.",
    "अधिकांश निवासियों का मानना है कि नई लाइन से शहर के केंद्र तक पहुँचना आसान होगा।",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--develop", action="store_true", help="the corpora that the gate was fitted on")
    parser.add_argument("--planted", type=int, default=200)
    parser.add_argument(
        "--show", type=int, default=0, help="so many rows turned away, and planted ones missed, a kind"
    )
    given = parser.parse_args()
    corpora = dict(read_corpora(given.corpora, develop=given.develop))
    print(f"{'develop' if given.develop else 'judge'} corpora, {sum(map(len, corpora.values()))} rows")
    show_ordinary(corpora, given.show)
    show_planted(corpora, given.planted, given.show)


def show_ordinary(corpora: dict[str, list[Record]], show: int) -> None:
    print(
        f"\n{'ordinary rows turned away':26} {'rows':>6} {'away':>5} {'share':>7} {'rows/CPU s':>10}  "
        "by class"
    )
    for name, records in corpora.items():
        judge = structure(languages=[LANGUAGES.get(name, "en")])
        table = read_table(records, name)
        started = time.process_time()
        verdicts = judge.judge(table, learn(judge, table)).to_pylist()
        rate = len(table) / max(time.process_time() - started, 1e-9)
        away = [verdict for verdict in verdicts if verdict["reason"]]
        classes = Counter(verdict["reason_class"].partition(".")[2] for verdict in away)
        share = len(away) / max(len(table), 1)
        print(f"{name:26} {len(table):6} {len(away):5} {share:7.2%} {rate:10.0f}  {dict(classes)}")
        for row, verdict in [
            pair for pair in zip(table.to_pylist(), verdicts, strict=True) if pair[1]["reason"]
        ][:show]:
            print(f"    {verdict['reason']}: {row['text'][:150]!r} ... {row['text'][-150:]!r}")


def show_planted(corpora: dict[str, list[Record]], n: int, show: int) -> None:
    bases = {name: records for name, records in corpora.items() if name not in LANGUAGES}
    rows = [row for name, records in bases.items() for row in read_table(records, name).to_pylist()]
    answered = [row["messages"] for row in rows if row["messages"]]
    messages = [said for said in answered if said[-1]["role"] == "assistant" and said[-1]["content"]]
    print(f"\n{'planted':26} {'rows':>5} {'caught':>6} {'recall':>7} {'95%':>13} {'right class':>11}")
    for kind, (spoil, classes) in KINDS.items():
        rng = random.Random(f"structure/{kind}")
        drawn = rng.sample(messages, len(messages))
        spoilt: list[Record] = []
        rest: list[Record] = []
        tried = 0
        for said in drawn:
            prompt = "\n".join(m["content"] or "" for m in said if m["role"] != "assistant")
            tried += len(spoilt) < n
            made = spoil(said[-1]["content"], prompt, rng) if len(spoilt) < n else None
            if made is None or made == said[-1]["content"]:
                rest.append({"messages": said})
            else:
                last = {"role": "assistant", "content": made}
                if kind == "finish reason":
                    last["finish_reason"] = "length"
                spoilt.append({"messages": [*said[:-1], last]})
        if not spoilt:
            continue
        judge = structure()
        # of the rows that can bear the defect one in a hundred has it in what is learnt
        some = max(1, len(messages) * len(spoilt) // tried // 100)
        mix = read_table([*rest, *spoilt[:some]], "mix")
        verdicts = judge.judge(read_table(spoilt, "spoilt"), learn(judge, mix)).to_pylist()
        caught = [verdict["outcome"] in {"reject", "hold"} for verdict in verdicts]
        right = [str(verdict["reason_class"]).partition(".")[2] in classes for verdict in verdicts]
        low, high = wilson(sum(caught), len(caught))
        share = sum(caught) / len(caught)
        print(
            f"{kind:26} {len(caught):5} {sum(caught):6} {share:7.3f} {low:6.3f}-{high:.3f} "
            f"{sum(right) / len(right):11.3f}"
        )
        for record, _ in [pair for pair in zip(spoilt, caught, strict=True) if not pair[1]][:show]:
            print(
                f"    missed: {record['messages'][-2]['content'][:120]!r} -> "
                f"{record['messages'][-1]['content'][-200:]!r}"
            )


def learn(judge: Judge, table: pa.Table) -> State:
    state: dict[str, pa.Table] = {}
    for step in judge.rounds:
        state |= step.merge(iter([step.sketch(table, dict(state))]), dict(state))
    return state


def cut_prose(answer: str, _: str, rng: random.Random) -> str | None:
    """The answer up to any character of its second half that is inside a word or after one."""
    if len(answer.split()) < 25 or re.search(r"[`{}<>|;=]", answer):
        return None
    places = [k for k in range(len(answer) // 2, len(answer) - 8) if answer[k - 1].isalpha()]
    return answer[: rng.choice(places)] if places else None


def cut_code(answer: str, _: str, rng: random.Random) -> str | None:
    """Code of six lines and more that stands alone, up to any character of its second half."""
    if len(answer.splitlines()) < 6 or "```" in answer or not re.search(r"\w\(|[{};]", answer):
        return None
    return answer[: rng.randrange(len(answer) // 2, len(answer) - 2)]


def open_fence(answer: str, _: str, rng: random.Random) -> str | None:
    lines = answer.splitlines()
    return "\n".join(["```", *lines[: max(1, len(lines) - rng.randint(0, 2))]])


def cut_list(answer: str, _: str, rng: random.Random) -> str:
    items = "\n".join(
        f"{k}. {word}" for k, word in enumerate(rng.sample(answer.split(), min(4, len(answer.split()))), 1)
    )
    ends = (
        "\n5.",
        "\n- one\n-",
        "\nThe reasons are:",
        "\n| a | b |\n|---|---|\n| 1 |",
        "\nIt holds (among others",
    )
    return items + rng.choice(ends)


def put(tokens: tuple[str, ...]) -> Spoil:
    """A token at the beginning, at the end, or between two words."""

    def spoil(answer: str, _: str, rng: random.Random) -> str:
        token = rng.choice(tokens)
        words = answer.split(" ")
        place = rng.choice([0, len(words), rng.randint(0, len(words))])
        return " ".join([*words[:place], token, *words[place:]])

    return spoil


def blank(answer: str, _: str, rng: random.Random) -> str | None:
    """Something to be filled in after prose; in code it is a variable."""
    return None if re.search(r"[{}<>;=`]|\w\(", answer) else answer + rng.choice(BLANKS)


def append(ends: tuple[str, ...]) -> Spoil:
    return lambda answer, _, rng: answer + rng.choice(("", " ", "\n")) * (ends is MARKERS) + rng.choice(ends)


def garble(answer: str, _: str, rng: random.Random) -> str | None:
    """UTF-8 read as Windows-1252 or Latin-1; accents are added where there are none."""
    text = answer.replace("'", "\u2019").replace('"', "\u201d")
    text = text if not text.isascii() else f"{text} \u201cThe caf\u00e9\u2019s own\u201d"
    codec = rng.choice(["cp1252", "latin-1"])
    try:
        return text.encode("utf-8").decode(codec)
    except UnicodeError:
        return None


def loop_token(answer: str, _: str, rng: random.Random) -> str:
    words = answer.split()
    place = rng.randrange(len(words)) if words else 0
    return " ".join([*words[: place + 1], *[(words or ["a"])[place]] * rng.randint(25, 120)])


def loop_phrase(answer: str, _: str, rng: random.Random) -> str | None:
    words = answer.split()
    size = rng.randint(2, 30)
    if len(words) < size:
        return None
    start = rng.randint(0, len(words) - size)
    return " ".join([*words[: start + size], *words[start : start + size] * rng.randint(12, 30)])


def break_character(answer: str, _: str, rng: random.Random) -> str:
    place = rng.randint(0, len(answer))
    return (
        answer[:place]
        + rng.choice(["\ufffd", "\x00", "\x07", "\x08", "\x1f", "\ufffd\ufffd"])
        + answer[place:]
    )


CUT = frozenset({"cut_off", "no_final_punctuation"})
STOCK = frozenset({"refusal", "self_reference"})
KINDS: dict[str, tuple[Spoil, frozenset[str]]] = {
    "cut off: prose": (cut_prose, CUT),
    "cut off: bare code": (cut_code, CUT),
    "cut off: open fence": (open_fence, CUT),
    "cut off: list, colon, table": (cut_list, CUT),
    "finish reason": (lambda answer, _, rng: answer + " ", CUT),
    "chat token": (put(TOKENS), frozenset({"chat_tokens", "end_marker"})),
    "turns of a template": (append(LEAKS), frozenset({"chat_tokens"})),
    "end-of-text marker": (append(MARKERS), frozenset({"chat_tokens", "end_marker"})),
    "reasoning block": (lambda answer, _, rng: rng.choice(THOUGHTS) + answer, frozenset({"reasoning_block"})),
    "mojibake": (garble, frozenset({"mojibake"})),
    "broken characters": (break_character, frozenset({"broken_characters"})),
    "refusal": (lambda answer, _, rng: rng.choice(REFUSALS), STOCK),
    "self reference": (lambda answer, _, rng: rng.choice(SELVES) + answer, STOCK),
    "placeholder": (blank, frozenset({"placeholder"})),
    "one-token loop": (loop_token, frozenset({"repetition"})),
    "phrase loop": (loop_phrase, frozenset({"repetition"})),
    "wrong language": (lambda answer, _, rng: " ".join(rng.sample(FOREIGN[:7], 1) * 1) if rng.random() < 0.6
                       else rng.choice(FOREIGN[7:]), frozenset({"wrong_language"})),
}  # fmt: skip


def read_corpora(folder: Path, *, develop: bool) -> Iterator[tuple[str, list[Record]]]:
    ordinary = folder / "ordinary"
    names = ("alpaca_demo", "rc_en", "cls_template", "glaive_tools")
    others = ("dolly", "flask_chatgpt_500", "sgd_200", "xquad_es", "xquad_zh")
    for name in names if develop else others:
        yield name, read_jsonl(ordinary / f"{name}.jsonl")
    logs = [
        (record, re.search(r"this (\w+) log", record["instruction"]))
        for record in read_jsonl(ordinary / "logs.jsonl")
    ]
    yield (
        "logs",
        [record for record, found in logs if (found is not None and found[1] in DEVELOP_LOGS) == develop],
    )
    code = "code_alpaca_2k.json" if develop else "new_codealpaca.json"
    yield "code_alpaca", json.loads((folder / "code_alpaca" / code).read_text(encoding="utf-8"))
    if develop:
        with (folder / "banking77" / "test.csv").open(encoding="utf-8", newline="") as file:
            yield "banking77", [{"text": row["text"]} for row in csv.DictReader(file)]
        yield "gpteacher", json.loads((folder / "gpteacher" / "toolformer.json").read_text(encoding="utf-8"))
        return
    clinc = json.loads((folder / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    yield "clinc150", [{"text": text} for part in clinc.values() for text, _ in part]
    yield "gsm8k", read_jsonl(folder / "gsm8k" / "test.jsonl")
    seeds = read_jsonl(folder / "self_instruct" / "seed_tasks.jsonl")
    yield "self_instruct", [{"instruction": seed["instruction"], **seed["instances"][0]} for seed in seeds]
    with (folder / "hatecheck" / "cases.csv").open(encoding="utf-8", newline="") as file:
        yield "hatecheck", [{"text": row["test_case"]} for row in csv.DictReader(file)]


def read_table(records: list[Record], name: str) -> pa.Table:
    return pa.concat_tables(list(read_candidates(open_records(records, name))))


def read_jsonl(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


if __name__ == "__main__":
    main()
