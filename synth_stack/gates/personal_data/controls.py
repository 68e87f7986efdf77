"""Controls: rows of the batch with what looks like personal data in them and is none.

Each kind is a way in which digits, at signs and points are taken for somebody's: counts and ids in prose,
values in code, lines of logs, rows of numbers, citations and versions.
"""

import random
import re
from collections.abc import Mapping, Sequence

import pyarrow as pa

from synth_stack.gates.canaries import build_control
from synth_stack.gates.personal_data.planting import Base, put
from synth_stack.rows.schemas import build_candidates
from synth_stack.rows.texts import join_text

_INNOCENT: Mapping[str, Sequence[str]] = {
    "order_numbers": (
        "Your order ########## left on 2026-0%-1% at 1%:##:##, invoice 20##-00####.",
        "The tracking number is ################ and the parcel weighs 1.### kg.",
        "He called the support twice about ticket ########## and wrote a text of #### words.",
        "They sold #,###,### phones for $###,###.## in 20##.",
    ),
    "code_values": (
        "The call returns 2147483647 on most machines, and text is cut at ######## bytes.",
        "```python\nh = x@W.to(dev)\nscores = q@k.to(q.dtype) / 1%######.#\n```",
        "Pin react@1%.#.#, left-pad@next.dev and actions/checkout@v4, then copy backup@2024.zip.",
        "git clone git@github.com:team/tool.git && ssh deploy@10.0.0.% -p 22##",
        "```js\nconst phone = get(##########);\nconst id = '####-####-####';\n```",
        "@app.route('/users') calls contact(##########, text=%#######)",
    ),
    "log_lines": (
        "2026-0%-1% 1%:##:##,### INFO dfs.DataNode$PacketResponder: Received block blk_-###################"
        " of size 671088##",
        "0%-1% 1%:##:##.###  1%##  2%## D PhoneStatusBar: call text=%####### contact=%##",
        "Jun 1% 0%:##:## combo sshd(pam_unix)[19%##]: check pass; logname= uid=0 euid=0 tty=NODEVssh",
        "08110% 20%### 1## WARN dfs.FSNamesystem: 10.251.%#.1%:50010 call ##########",
    ),
    "number_rows": (
        "Drawn were 01 12 25 34 41, in this order.",
        "Sorted: 09 18 27 33 41 0% 1# 2# 3#",
        "02 46 81 35 79\n01 35 79 24 68",
        "0.%## 0.### 0.### 1.#### 2.####\n1## 2## 3## 4## 5##",
        "| run | score |\n|---|---|\n| 1% | 0%#.###.#### |",
        "Open 09-12 13-18, on 24.12. 09-12 14-16.",
    ),
    "citations_and_versions": (
        "See doi 10.1###/s4159%-0##-0####-# (ISBN 978-3-16-14####-0), pp. 1##-1##, 20%#.",
        "Update to version 1.%.#.## or firmware v#.1#.#.#, build %#.#.####.##.",
        "The place is at 52.5####, 13.4####, some 1## ### ### km from the star 2MASS J0%######+####.",
        "pi is 3.141592653589793, e is 2.718281828 and 6.022e23 is a number.",
    ),
}
"""By kind: # is any digit, % one that is no 0."""


def make_controls(bases: Sequence[Base], n: int, seed: int) -> pa.Table:
    """Up to n rows of each kind, made of `bases` in turn. Deterministic in `seed`."""
    made = []
    for kind, sentences in _INNOCENT.items():
        rng = random.Random(f"{seed} {kind}")  # noqa: S311  (controls, not keys)
        for k in range(n if bases else 0):
            base = bases[k % len(bases)]
            said = _fill(sentences[k // 2 % len(sentences)], rng)
            messages = put(base, said, k)
            control = build_control(
                base.kind, messages, f"{kind.replace('_', ' ')} are nobody's", k, kind=kind
            )
            alone = messages[0]["role"] == "text"
            text = messages[0]["content"] if alone else join_text(messages)
            made.append({**control, "locale": base.locale, "text": text})
    return build_candidates(made)


def _fill(shape: str, rng: random.Random) -> str:
    return re.sub("[#%]", lambda mark: str(rng.randrange(mark[0] == "%", 10)), shape)
