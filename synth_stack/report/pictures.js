// How the batch is spread beside other rows, and its rows as dots on a plane.

const DISTRIBUTION_NOTE =
  "The batch beside the rows that a gate compared it with. Curves: the share of rows (upwards) up to a value. " +
  "Bars: shares of all rows, of those names whose shares differ most.";

function drawDistributions(distributions) {
  const host = section("distributions");
  if (!distributions.length) return host.remove();
  const key = ["batch", "other"].map((side) =>
    make("span", { class: `key ${side}` }, side === "batch" ? "this batch" : "the other rows"),
  );
  host.append(make("p", { class: "note" }, DISTRIBUTION_NOTE));
  host.append(make("p", { class: "keys" }, key));
  host.append(make("div", { class: "histograms" }, distributions.map(distributionOf)));
}

function distributionOf(told) {
  const title = make("figcaption", {}, make("b", {}, told.what), make("span", { class: "muted" }, told.gate));
  const body = told.form === "quantiles" ? quantileCurves(told) : shareBars(told);
  return make("figure", { class: told.form }, title, body);
}

/** Both distribution functions, through the quantiles. */
function quantileCurves(told) {
  const [width, height] = [320, 128];
  const values = [...told.batch, ...told.other];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (value) => (high > low ? (width * (value - low)) / (high - low) : width / 2);
  const path = (quantiles) =>
    quantiles.map((value, i) => `${x(value).toFixed(1)},${(height * (1 - i / (quantiles.length - 1))).toFixed(1)}`);
  const middle = (quantiles) => formatScore(quantiles[(quantiles.length - 1) / 2]);
  const label = `${told.what}: median ${middle(told.batch)} in the batch, ${middle(told.other)} in the other rows`;
  return draw(
    "svg",
    { viewBox: `0 0 ${width} ${height + 18}`, role: "img", "aria-label": spell(label) },
    draw("title", {}, label),
    draw("polyline", { class: "curve other", points: path(told.other).join(" ") }),
    draw("polyline", { class: "curve batch", points: path(told.batch).join(" ") }),
    draw("line", { class: "axis", x1: 0, x2: width, y1: height, y2: height }),
    draw("text", { class: "muted", x: 0, y: height + 14 }, formatScore(low)),
    draw("text", { class: "muted end", x: width, y: height + 14 }, formatScore(high)),
  );
}

function shareBars(told) {
  const most = Math.max(...told.batch, ...told.other) || 1;
  const bar = (side, i) =>
    draw("rect", { class: side, x: 0, y: side === "batch" ? 0 : 7, width: (1000 * told[side][i]) / most, height: 6 });
  const rows = told.labels.map((name, i) => {
    const shares = ["batch", "other"].map((side) => formatShare(told[side][i], 1));
    return make(
      "li",
      {},
      make("span", { class: "what" }, name),
      draw(
        "svg",
        { viewBox: "0 0 1000 13", preserveAspectRatio: "none", "aria-hidden": "true" },
        bar("batch", i),
        bar("other", i),
      ),
      make("span", { class: "number" }, shares[0]),
      make("span", { class: "number muted" }, shares[1]),
    );
  });
  return make("ul", { class: "shares" }, rows);
}

const EVERY_SLICE = "every slice";

function drawMap(map, clusters, pick) {
  const host = section("map");
  if (!map) return host.remove();
  const note =
    `${countRows(map.rows.length)}, drawn by their ids, on the plane on which their static embeddings differ ` +
    `most. It holds ${formatShare(map.explained, 1)} of what tells them apart, so rows that lie together need not ` +
    "be alike; far ones are not. A click shows the row." +
    (map.centres?.length ? " Rings are the clusters below, their area the share of the batch." : "");
  const names = [...new Set(map.rows.map((row) => row.slice))].filter((name) => name !== null).sort();
  const shown = make("p", { class: "text", "aria-live": "polite" });
  const plane = draw("svg", { class: "plane", viewBox: "-10 -10 1020 620", role: "img", "aria-label": note });
  const dots = map.rows.map((row) => mapDot(row, shown, pick));
  plane.append(...dots.map(({ dot }) => dot), ...clusterRings(map, clusters));
  const choice = make(
    "select",
    {
      change: () => {
        const only = choice.selectedIndex ? names[choice.selectedIndex - 1] : null;
        for (const { dot, row } of dots)
          dot.classList.toggle("faint", choice.selectedIndex > 0 && row.slice !== only);
      },
    },
    [EVERY_SLICE, ...names].map((name) => make("option", {}, name)),
  );
  const label = make("label", {}, make("span", { class: "hidden" }, "slice"), choice);
  const keys = DECISIONS.map((name) => make("span", { class: `key ${name}` }, name));
  host.append(make("p", { class: "note" }, note), make("p", { class: "keys" }, keys, names.length ? label : null));
  host.append(plane, shown);
}

function mapDot(row, shown, pick) {
  const show = () => shown.replaceChildren(...reveal(`${row.decision}, ${row.slice ?? "no slice"}: ${row.text}`));
  const dot = draw("circle", {
    class: row.decision,
    cx: 1000 * row.x,
    cy: 600 * (1 - row.y),
    r: 6,
    mouseenter: show,
    click: () => pick({ text: row.row_id }),
  });
  return { dot, row };
}
