// Tables with a meaning of their own: a set before and after, slices by gate, what rows took, and this batch beside another.

const HEAT_STEPS = 5;
/** Shares at which a cell takes the next darker colour: about three times as much at each step. */
const HEAT_EDGES = [0, 0.01, 0.03, 0.1, 0.3];

const heatOf = (share) => HEAT_EDGES.filter((edge) => share > edge).length;

function drawHeat(heat, pick) {
  const host = section("heat");
  if (!heat) return host.remove();
  const scale = Array.from({ length: HEAT_STEPS }, (_, i) =>
    make("span", { class: `key h${i + 1}` }, i ? `over ${100 * HEAT_EDGES[i]}%` : "any"),
  );
  const note = "The share of each slice that a gate turned away. The stronger the colour, the larger the share; a click shows the rows.";
  const folded = heat.folded ? ` ${formatCount(heat.folded)} smaller slices are not drawn.` : "";
  host.append(make("p", { class: "note" }, note + folded), make("p", { class: "keys" }, scale));
  const heads = ["slice", "rows", ...heat.gates];
  const lines = heat.slices.map((slice) => [
    slice.name,
    formatCount(slice.n),
    ...slice.away.map((n, i) => heatCell(slice, n, heat.gates[i], pick)),
  ]);
  host.append(plainTable(heads, lines, "heat"));
}

function heatCell(slice, n, gate, pick) {
  if (!n) return make("td", { class: "h0" }, "0");
  const show = () => pick({ slice: slice.name, gate });
  const label = `${formatCount(n)} of ${countRows(slice.n)} of ${slice.name}: ${gate}`;
  const button = make(
    "button",
    { class: "link", type: "button", click: show, title: spell(label) },
    formatShare(n, slice.n),
  );
  return make("td", { class: `h${heatOf(n / slice.n)}` }, button);
}

function drawSliceBalance(balance, pick) {
  const host = section("slice-balance");
  if (!balance) return host.remove();
  const note =
    `Images of the real set by slice, and with those that were accepted. Every slice is to have ${formatCount(balance.goal)}; ` +
    "a bar is what the set had, and then what came to it.";
  const folded = balance.left_out ? ` ${formatCount(balance.left_out)} more slices are not listed.` : "";
  host.append(make("p", { class: "note" }, note + folded));
  const lines = balance.slices.map((slice) => [
    make("button", { class: "link", type: "button", click: () => pick({ slice: slice.name }) }, breakable(slice.name)),
    ...[slice.before, slice.planned, slice.accepted, slice.after].map(formatCount),
    make("td", { class: "wide" }, balanceBar(slice, balance)),
  ]);
  host.append(plainTable(["slice", "before", "planned", "accepted", "after", ""], lines, "groups"));
}

function balanceBar(slice, balance) {
  const width = (n) => (balance.largest ? (1000 * n) / balance.largest : 0);
  const label = `${formatCount(slice.before)} before, ${formatCount(slice.accepted)} accepted, of ${formatCount(balance.goal)}`;
  const bar = draw("svg", { class: "stack", role: "img", "aria-label": label, preserveAspectRatio: "none" });
  bar.setAttribute("viewBox", "0 0 1000 10");
  const parts = [
    ["before", 0, slice.before],
    ["accepted", slice.before, slice.accepted],
  ];
  for (const [name, from, n] of parts) {
    if (n) bar.append(draw("rect", { class: name, x: width(from), y: 0, width: width(n), height: 10 }));
  }
  return bar;
}

function drawCosts(costs) {
  const host = section("costs");
  if (!costs) return host.remove();
  const parts = Object.entries(costs.tokens);
  if (parts.length) {
    const lines = parts.map(([part, [read, written, cached]]) => [
      part,
      ...[read, cached, written].map(formatCount),
      costs.accepted ? formatCount(Math.round((read + written) / costs.accepted)) : "–",
    ]);
    host.append(plainTable(["tokens of", "read", "of these cached", "written", "for each accepted row"], lines));
  } else host.append(emptyNote("The rows do not say how many tokens they took."));
  const ratio = (value) => (value === null ? "–" : formatRatio(value));
  const lines = costs.gates.map((told) => [
    told.gate,
    formatCount(told.away),
    ratio(told.with),
    ratio(told.without),
  ]);
  const note =
    "Rows judged for each accepted one, and what that would be if all that a gate decided were accepted. " +
    "Later gates have not seen those rows, so without the gate it lies between the two.";
  host.append(plainTable(["gate", "turned away", "rows for one accepted", "without the gate"], lines));
  host.append(make("p", { class: "note" }, note));
}

function drawBeside(beside) {
  const host = section("beside");
  if (!beside) return host.remove();
  const note =
    `This batch beside ${beside.name} (${countRows(beside.rows)}): of the rows that reached a gate, the share ` +
    "that it turned away. The difference is clear where its 95% interval (Newcombe 1998) leaves zero out; each " +
    "interval stands for itself, so of twenty one is clear by chance.";
  host.append(make("p", { class: "note" }, note));
  const share = (side) => (side === null ? "–" : `${formatShare(...side)} of ${formatCount(side[1])}`);
  const points = (value) => `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(1)}`;
  const lines = beside.lines.map((line) => [
    line.what,
    share(line.batch),
    share(line.other),
    line.low === null ? "–" : `${points(line.low)} to ${points(line.high)}`,
    line.low !== null && (line.low > 0 || line.high < 0) ? make("td", {}, make("b", {}, "clear")) : "",
  ]);
  host.append(plainTable(["what", "this batch", "the other", "difference, points", ""], lines));
}

/** A table of texts and ready cells; the first of a line is its head. */
function plainTable(heads, lines, kind = "") {
  const head = make("tr", {}, heads.map((name) => make("th", { scope: "col" }, name)));
  const body = lines.map(([name, ...cells]) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, typeof name === "string" ? breakable(name) : name),
      cells.map((cell) => (typeof cell === "string" ? make("td", {}, cell) : cell)),
    ),
  );
  const table = make("table", { class: `numbers ${kind}` }, make("thead", {}, head), make("tbody", {}, body));
  return scrolling(heads.join(", "), table);
}
