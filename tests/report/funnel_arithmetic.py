"""What the funnel of a report draws, read out of the page, and what the card of a pack says of the same run."""

import re
from pathlib import Path
from typing import Any

READ = """
const svg = document.querySelector("#funnel svg");
const widthOf = (path) => {
  const [left, right] = [path.match(/^M([\\d.]+),/)[1], path.match(/([\\d.]+),[\\d.]+ Z$/)[1]];
  return right - left;
};
const stages = [];
for (const shape of svg.children) {
  const kind = shape.getAttribute("class");
  if (shape.tagName === "path") {
    const fate = shape.getAttribute("fill").match(/fade-(\\w+)/)[1];
    stages.push([fate, widthOf(shape.getAttribute("d"))]);
  } else if (shape.tagName === "rect") stages.push([kind, shape.width.baseVal.value]);
}
const cells = (line) => [...line.children].map((cell) => cell.textContent);
return {
  shapes: stages,
  numbers: [...document.querySelectorAll("#funnel details tbody tr")].map(cells),
  label: svg.getAttribute("aria-label"),
};
"""
"""The rectangles and the flows that leave them in their order, the table below, and what is read aloud."""


def read_card(card: str) -> tuple[int, dict[str, dict[str, int]], int]:
    """Rows that came in, the figures of each gate, and accepted rows, from the funnel of a pack's card."""
    lines = card.partition("### Funnel")[2].partition("### ")[0].splitlines()
    cells = [[cell.strip(" *`") for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    names = [name.lower().removesuffix(" #") for name in cells[0]]
    stages = [dict(zip(names, line, strict=True)) for line in cells[2:]]
    gates = {
        stage["stage"]: {
            name: parse_count(stage[name]) for name in ("looked at", "abstained", "rejected", "held", "left")
        }
        for stage in stages
        if stage["looked at"]
    }
    came = [stage for stage in stages if not stage["looked at"] and stage["stage"] != "accepted"]
    return parse_count(came[-1]["left"]), gates, parse_count(stages[-1]["left"])


def parse_count(text: str) -> int:
    """The number that a card writes with commas."""
    return int(text.replace(",", ""))


def check_funnel(session: Any, pack: Path) -> None:
    """Every number and every width of the funnel on the open page is what the card of the pack says."""
    came, gates, accepted = read_card((pack / "README.md").read_text(encoding="utf-8"))
    read = session.execute_script(READ)
    numbers = {line[0]: [int(re.sub(r"\\D", "", cell)) for cell in line[1:]] for line in read["numbers"]}
    assert list(numbers) == list(gates)
    for gate, told in gates.items():
        looked_at, accept, hold, reject, abstain, decided, passed = numbers[gate]
        assert (looked_at, abstain, passed) == (told["looked at"], told["abstained"], told["left"])
        assert decided == told["rejected"] + told["held"]
        assert accept + hold + reject + abstain == looked_at
    left = came
    for told in gates.values():
        left -= told["rejected"] + told["held"]
        assert left == told["left"]
    assert left == accepted

    rows = sum(width for kind, width in read["shapes"] if kind in {"inflow", "replacements"})
    drawn = [(kind, width * came / rows) for kind, width in read["shapes"]]
    scale = 1.5 * came / rows  # the width of one row where it would be thinner than can be seen
    expected: list[tuple[str, int]] = [("flow", came)]
    for told in gates.values():
        expected += [(kind, told[kind]) for kind in ("held", "rejected") if told[kind]]
        entered = told["left"] + told["rejected"] + told["held"]
        expected += [("flow", told["left"]), ("gate", entered)]
    expected += [("accepted", accepted)]
    shown = [(kind, width) for kind, width in drawn if kind not in {"inflow", "replacements"}]
    assert [kind for kind, _ in shown] == [kind for kind, _ in expected]
    for (kind, width), (_, count) in zip(shown, expected, strict=True):
        assert abs(width - count) <= (scale if 0 < count < scale else 0.5), (kind, width, count)
    for gate, told in gates.items():
        entered = told["left"] + told["rejected"] + told["held"]
        assert f"{gate}: {entered} in, {told['rejected']} rejected, {told['held']} held" in read["label"]
