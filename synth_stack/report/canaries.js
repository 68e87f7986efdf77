// The gates' recall on the bad rows that were planted for them: a dot on its interval, beside its bar.

const FIRST_KINDS = 40;

const formatRecall = (x) => x.toFixed(3);

function drawCanaries(figures) {
  const host = section("canaries");
  const { canaries } = figures;
  if (!canaries.length)
    return host.append(emptyNote("No gate planted known bad rows, so what each one misses is not known."));
  const note =
    "Known bad rows that each gate planted for itself, and how many it caught. The dot is its recall, the " +
    "line the 95% interval, the tick its bar: below it the gate is blind and the batch fails. None of these " +
    "rows is among the rows of the batch.";
  const lines = canaries.map(recallLine);
  const ends = ["0", "1"].map((end) => make("span", {}, end));
  const scale = make("li", { class: "scale", "aria-hidden": "true" }, ends);
  host.append(
    make("p", { class: "note" }, note),
    make("ul", { class: "recalls" }, lines, scale),
    kindTable(canaries),
  );
}

function recallLine(found) {
  const measured = found.planted > 0;
  const [some, all] = [found.caught, found.planted].map(formatCount);
  const range = measured ? `${formatRecall(found.low)}–${formatRecall(found.high)}` : "";
  return make(
    "li",
    { class: found.blind ? "blind" : null },
    make("span", { class: "what" }, found.gate, found.blind ? make("b", { class: "flag" }, "blind") : null),
    measured ? recallMark(found) : make("span", { class: "mark" }),
    make("b", { class: "number" }, measured ? formatRecall(found.recall) : "–"),
    make("span", { class: "number muted range" }, range),
    make("span", { class: "number muted" }, `bar ${formatScore(found.min_recall)}`),
    make("span", { class: "number muted" }, measured ? `${some} of ${all}` : "none planted"),
  );
}

/** Placed in percent of its width, so that a dot stays round whatever the width is. */
function recallMark(found) {
  const at = (share) => `${100 * share}%`;
  const [low, high, bar] = [found.low, found.high, found.min_recall].map(at);
  const label =
    `recall ${formatRecall(found.recall)}, interval ${formatRecall(found.low)} to ` +
    `${formatRecall(found.high)}, bar ${formatScore(found.min_recall)}`;
  return draw(
    "svg",
    { class: "mark", role: "img", "aria-label": label },
    draw("line", { class: "axis", x1: 0, x2: "100%", y1: 12, y2: 12 }),
    draw("line", { class: "tick", x1: bar, x2: bar, y1: 2, y2: 22 }),
    draw("line", { class: "whisker", x1: low, x2: high, y1: 12, y2: 12 }),
    draw("circle", { class: "dot", cx: at(found.recall), cy: 12, r: 5 }),
  );
}

function kindTable(canaries) {
  const heads = ["gate", "kind", "planted", "caught", "recall"];
  const rows = canaries.flatMap((found) => found.kinds.map((kind) => kindRow(found.gate, kind)));
  const head = make(
    "tr",
    {},
    heads.map((name) => make("th", { scope: "col" }, name)),
  );
  const body = make("tbody", {}, rows.slice(0, FIRST_KINDS));
  const table = make("table", { class: "numbers kinds" }, make("thead", {}, head), body);
  return make(
    "details",
    {},
    make("summary", {}, "By kind"),
    make("div", { class: "scroll" }, table),
    rows.length > FIRST_KINDS ? showAllButton(rows.length, () => body.replaceChildren(...rows)) : null,
  );
}

function kindRow(gate, kind) {
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, gate),
    make("td", {}, kind.kind),
    [kind.planted, kind.caught].map((n) => make("td", {}, formatCount(n))),
    make("td", {}, formatShare(kind.caught, kind.planted)),
  );
}
