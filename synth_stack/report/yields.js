// What other thresholds would do: the yield of the whole batch, and the rows of this page that would change.

const YIELD_NOTE =
  "Counts are of the whole batch, decided again from the stored scores with all other gates as they stand. " +
  "A row that a later gate has never seen is undecided. Rows below a slider are those of this page.";
const SHOWN_CHANGES = 8;

function drawYields(yields, rows, pick) {
  const host = section("yields");
  const turnable = (yields ?? []).filter((told) => told.points.length > 1);
  if (!turnable.length) return host.remove();
  host.append(make("p", { class: "note" }, YIELD_NOTE));
  host.append(make("div", { class: "histograms" }, turnable.map((told) => yieldFigure(told, rows, pick))));
}

function yieldFigure(told, rows, pick) {
  const standing = told.points.findIndex(([threshold]) => threshold === told.threshold);
  const name = `${told.gate} ${told.parameter}`;
  const mark = draw("line", { class: "threshold", y1: 0, y2: 90 });
  const said = make("p", { class: "said", "aria-live": "polite" });
  const changed = make("ul", { class: "changed" });
  const slider = make("input", {
    type: "range",
    min: 0,
    max: told.points.length - 1,
    value: standing,
    "aria-label": spell(`threshold ${name}`),
    input: () => show(Number(slider.value)),
  });
  const reset = make("button", { class: "quiet", type: "button", click: () => show(standing) }, "As it stands");

  function show(at) {
    slider.value = at;
    const text = describeYield(told, at, standing);
    slider.setAttribute("aria-valuetext", text);
    said.textContent = text;
    const x = placeOf(told, at);
    mark.setAttribute("x1", x);
    mark.setAttribute("x2", x);
    reset.hidden = at === standing;
    changed.replaceChildren(...changedRows(told, told.points[at][0], rows, pick));
  }
  show(standing);
  return make(
    "figure",
    { class: "yield" },
    make("figcaption", {}, make("b", {}, told.gate), make("span", { class: "muted" }, told.parameter)),
    yieldCurve(told, mark),
    slider,
    said,
    changed,
    reset,
  );
}

const placeOf = (told, at) => (320 * at) / (told.points.length - 1);

/** Rows accepted over the thresholds, and on top of them those of which it would not be known. */
function yieldCurve(told, mark) {
  const most = Math.max(1, ...told.points.map(([, accepted, undecided]) => accepted + undecided));
  const height = (n) => (90 * (1 - n / most)).toFixed(1);
  const path = (count) => told.points.map((point, at) => `${placeOf(told, at).toFixed(1)},${height(count(point))}`);
  const area = (points) => `0,90 ${points.join(" ")} 320,90`;
  const label = `${told.gate} ${told.parameter}: rows accepted over the threshold`;
  return draw(
    "svg",
    { viewBox: "0 0 320 92", role: "img", "aria-label": spell(label) },
    draw("polygon", { class: "undecided", points: area(path(([, accepted, undecided]) => accepted + undecided)) }),
    draw("polygon", { class: "yielded", points: area(path(([, accepted]) => accepted)) }),
    draw("line", { class: "axis", x1: 0, x2: 320, y1: 90, y2: 90 }),
    mark,
  );
}

function describeYield(told, at, standing) {
  const [threshold, accepted, undecided, caught] = told.points[at];
  const more = accepted - told.points[standing][1];
  const change = at === standing ? "as it stands" : `${more < 0 ? "−" : "+"}${formatCount(Math.abs(more))}`;
  const parts = [`${formatScore(threshold)}: ${formatCount(accepted)} accepted (${change})`];
  if (undecided) parts.push(`${formatCount(undecided)} undecided`);
  if (told.planted) parts.push(`${formatCount(caught)} of ${formatCount(told.planted)} canaries caught`);
  return parts.join(", ");
}

const isBeyond = (score, threshold, rejects) =>
  rejects === "<" ? score < threshold : rejects === ">" ? score > threshold : score >= threshold;

/** The rows of the page whose verdict of this gate another threshold would turn; the first few as buttons. */
function changedRows(told, threshold, rows, pick) {
  const turned = rows.filter((row) => row.listed && turnOf(told, threshold, row));
  const items = turned.slice(0, SHOWN_CHANGES).map((row) => {
    const text = shorten(row.messages?.find((m) => m.role === "user")?.content ?? row.text ?? row.row_id, 70);
    const to = make("button", { class: "link", type: "button", click: () => pick({ text: row.row_id }) }, text);
    return make("li", {}, make("span", { class: "turn-to" }, turnOf(told, threshold, row)), to);
  });
  const more = turned.length - items.length;
  return more > 0 ? [...items, make("li", { class: "muted" }, `and ${formatCount(more)} more on this page`)] : items;
}

/** "let pass" or "turned away", where that is another than what the gate said; else null. */
function turnOf(told, threshold, row) {
  const verdict = row.verdicts?.find((v) => v.gate === told.gate && v.score !== null);
  if (!verdict) return null;
  const beyond = isBeyond(verdict.score, threshold, told.rejects);
  if (told.classes.includes(verdict.reason_class)) return beyond ? null : "let pass";
  const before = isBeyond(verdict.score, told.threshold, told.rejects);
  return verdict.outcome === "accept" && beyond && !before ? "turned away" : null;
}
