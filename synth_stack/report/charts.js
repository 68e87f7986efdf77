const DECISIONS = ["accepted", "held", "rejected"];
const DECISION_OF = { accept: "accepted", hold: "held", reject: "rejected", abstain: "abstained" };

const section = (id) => document.getElementById(id);
const emptyNote = (text) => make("p", { class: "empty" }, text);

/** A bar of full width, shared out among the three decisions by their part of `whole`. */
function stackBar(counts, whole, label) {
  const bar = draw("svg", { class: "stack", role: "img", "aria-label": label, preserveAspectRatio: "none" });
  bar.setAttribute("viewBox", "0 0 1000 10");
  let x = 0;
  for (const name of DECISIONS) {
    const width = whole ? (1000 * counts[name]) / whole : 0;
    if (width) bar.append(draw("rect", { class: name, x, y: 0, width, height: 10 }));
    x += width;
  }
  return bar;
}

function drawBalance(figures) {
  if (!figures.generated) return;
  const label = DECISIONS.map((name) => `${formatCount(figures[name])} ${name}`).join(", ");
  section("balance").append(stackBar(figures, figures.rows, label));
}

/** A wide thing that scrolls by itself, from the keyboard too. */
const scrolling = (label, inside) =>
  make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": spell(label) }, inside);

/** A dot on its interval with the tick of its bar, all from 0 to 1. Placed in percent of the width, so that the
 * dot stays round whatever the width is. */
function intervalMark(interval, dot, label) {
  const at = (x) => `${100 * x}%`;
  const [low, high, tick] = [interval.low, interval.high, interval.bar].map(at);
  return draw(
    "svg",
    { class: "mark", role: "img", "aria-label": label },
    draw("line", { class: "axis", x1: 0, x2: "100%", y1: 12, y2: 12 }),
    draw("line", { class: "tick", x1: tick, x2: tick, y1: 2, y2: 22 }),
    draw("line", { class: "whisker", x1: low, x2: high, y1: 12, y2: 12 }),
    draw("circle", { class: "dot", cx: at(dot), cy: 12, r: 5 }),
  );
}

/** A button that says how many there are in all, and goes once it has shown them. */
function showAllButton(count, showAll) {
  const button = make("button", { class: "quiet", type: "button" }, `Show all ${formatCount(count)}`);
  button.addEventListener("click", () => {
    showAll();
    button.remove();
  });
  return button;
}

const FIRST_REASONS = 12;

function drawReasons(figures, pick) {
  const host = section("reasons");
  if (!figures.reasons.length) return host.append(emptyNote("Nothing was rejected or held."));
  const most = Math.max(...figures.reasons.map((r) => r.count));
  const bars = figures.reasons.map((r) => reasonBar(r, most, figures, pick));
  const list = make("ul", { class: "bars" }, bars.slice(0, FIRST_REASONS));
  host.append(list);
  if (bars.length > FIRST_REASONS) host.append(showAllButton(bars.length, () => list.append(...bars)));
}

function reasonBar(reason, most, figures, pick) {
  const { gate, decision, count } = reason;
  const named = reason.reason_class ?? "no class given";
  const text = reason.folded ? `${formatCount(reason.folded)} rarer reasons` : named;
  const query = reason.folded ? { gate, decision } : { gate, decision, reason_class: reason.reason_class };
  const button = make("button", { class: "link", type: "button", click: () => pick(query) }, text);
  const frame = { class: "bar", preserveAspectRatio: "none", viewBox: "0 0 1000 10", "aria-hidden": "true" };
  const rect = draw("rect", { class: decision, width: Math.max(4, (1000 * count) / most), height: 10 });
  return make(
    "li",
    {},
    make("span", { class: "what" }, button),
    make("span", { class: "where" }, (gate ?? "no gate named") + (decision === "held" ? ", held" : "")),
    draw("svg", frame, rect),
    make("span", { class: "number" }, formatCount(count)),
    make("span", { class: "number muted" }, formatShare(count, figures.rejected + figures.held)),
  );
}

function drawScores(figures) {
  const host = section("scores");
  if (!figures.histograms.length) return host.append(emptyNote("No gate gave a score."));
  const note =
    "Verdicts by score, coloured by outcome. Heights grow with the square root of the count, " +
    "so that the rare ones can be seen.";
  host.append(make("p", { class: "note" }, note));
  host.append(make("div", { class: "histograms" }, figures.histograms.map(histogramOf)));
}

function histogramOf(histogram) {
  const bars = histogram.edges.length - 1;
  const totals = Array.from({ length: bars }, (_, i) =>
    outcomesOf(histogram, i).reduce((sum, [, n]) => sum + n, 0),
  );
  const most = Math.max(...totals);
  const [width, height, top] = [320, 128, 18];
  const svg = draw("svg", {
    viewBox: `0 0 ${width} ${height + 18}`,
    role: "img",
    "aria-label": describeScores(histogram),
  });
  const box = { step: width / bars, top, height, most };
  totals.forEach((total, i) => total && svg.append(histogramBar(histogram, i, total, box)));
  const [low, high] = [histogram.edges[0], histogram.edges[bars]];
  svg.append(draw("line", { class: "axis", x1: 0, x2: width, y1: height, y2: height }));
  svg.append(draw("text", { class: "muted", x: 0, y: height + 14 }, formatScore(low)));
  svg.append(draw("text", { class: "muted end", x: width, y: height + 14 }, formatScore(high)));
  for (const threshold of histogram.thresholds)
    svg.append(...thresholdMark(threshold, low, high, width, height));
  const unscored = histogram.unscored ? `, ${formatCount(histogram.unscored)} without a score` : "";
  return make(
    "figure",
    {},
    make(
      "figcaption",
      {},
      make("b", {}, histogram.gate),
      make("span", { class: "muted" }, `${formatCount(histogram.scored)} scores${unscored}`),
    ),
    svg,
  );
}

const outcomesOf = (histogram, i) =>
  Object.entries(histogram.counts).map(([outcome, bins]) => [outcome, bins[i]]);

function describeScores(histogram) {
  const marks = histogram.thresholds.map(formatScore).join(", ") || "none";
  return spell(`Scores of ${histogram.gate}: ${histogram.scored} verdicts; threshold: ${marks}`);
}

function histogramBar(histogram, i, total, box) {
  const tall = Math.max(1.5, (box.height - box.top) * Math.sqrt(total / box.most));
  const counts = outcomesOf(histogram, i).filter(([, n]) => n);
  const ends = `${formatScore(histogram.edges[i])} to ${formatScore(histogram.edges[i + 1])}`;
  const group = draw(
    "g",
    {},
    draw("title", {}, `${ends}: ${counts.map(([name, n]) => `${formatCount(n)} ${name}`).join(", ")}`),
  );
  let y = box.height;
  for (const [outcome, n] of counts) {
    const size = (tall * n) / total;
    y -= size;
    group.append(
      draw("rect", {
        class: DECISION_OF[outcome],
        x: i * box.step + 0.5,
        y,
        width: box.step - 1,
        height: size,
      }),
    );
  }
  return group;
}

function thresholdMark(threshold, low, high, width, height) {
  const x = (width * (threshold - low)) / (high - low);
  const side = x > width / 2 ? { class: "mark end", x: x - 4 } : { class: "mark", x: x + 4 };
  return [
    draw("line", { class: "threshold", x1: x, x2: x, y1: 2, y2: height }),
    draw("text", { ...side, y: 11 }, formatScore(threshold)),
  ];
}

const GROUP_COLUMNS = [
  { key: "n", head: "rows" },
  { key: "accepted", head: "accepted" },
  { key: "held", head: "held" },
  { key: "rejected", head: "rejected" },
  { key: "acceptance_rate", head: "accepted, %" },
];
/** Below it a share moves by more than three points with one row. */
const SMALL_N = 30;
const FIRST_GROUPS = 20;

function drawGroups(id, column, groups, pick) {
  const host = section(id);
  if (groups.length === 1 && groups[0].name === null)
    return host.append(emptyNote(`No row names its ${column}.`));
  const body = make("tbody");
  const heads = [{ key: "name", head: column }, ...GROUP_COLUMNS].map(({ key, head }) => {
    const button = make("button", { class: "sort", type: "button" }, head);
    const cell = make("th", { scope: "col", "aria-sort": key === "n" ? "descending" : "none" }, button);
    button.addEventListener("click", () => sortBy(cell, key));
    return cell;
  });
  const head = make("tr", {}, heads, make("th", { class: "wide", "aria-label": "decisions as a bar" }));
  const table = make("table", { class: "numbers groups" }, make("thead", {}, head), body);
  host.append(scrolling(column, table));
  let shown = FIRST_GROUPS;
  let sorted = groups;

  function show() {
    body.replaceChildren(...sorted.slice(0, shown).map((g) => groupRow(g, column, pick)));
  }
  function sortBy(cell, key) {
    const now = cell.getAttribute("aria-sort");
    const up = now === "descending" || (now === "none" && key === "name");
    for (const other of heads) other.setAttribute("aria-sort", "none");
    cell.setAttribute("aria-sort", up ? "ascending" : "descending");
    const order =
      key === "name" ? (a, b) => (a.name ?? "").localeCompare(b.name ?? "") : (a, b) => a[key] - b[key];
    sorted = [...groups].sort((a, b) => (up ? order(a, b) : order(b, a)));
    show();
  }
  function showAll() {
    shown = groups.length;
    show();
  }
  show();
  if (groups.length > shown) host.append(showAllButton(groups.length, showAll));
}

function groupRow(group, column, pick) {
  const label = group.folded ? `${formatCount(group.folded)} smaller ones` : (group.name ?? "not named");
  const name = group.folded
    ? label
    : make("button", { class: "link", type: "button", click: () => pick({ [column]: group.name }) }, breakable(label));
  const small = group.n < SMALL_N;
  const rate = make(
    "td",
    small ? { class: "muted", title: `only ${countRows(group.n)}` } : {},
    formatShare(group.accepted, group.n),
  );
  const counts = [group.n, group.accepted, group.held, group.rejected].map((n) =>
    make("td", n ? {} : { class: "muted" }, formatCount(n)),
  );
  const words = DECISIONS.map((d) => `${group[d]} ${d}`).join(", ");
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, name),
    counts,
    rate,
    make("td", { class: "wide" }, stackBar(group, group.n, words)),
  );
}
