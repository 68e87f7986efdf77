/** Rings on the map of rows, numbered as in the list; one of a hundredth of the batch is a tenth as wide as all. */
const RING_OF_ALL = 200;

function clusterRings(map, clusters) {
  return (map.centres ?? []).map(([x, y], i) => {
    const at = { x: 1000 * x, y: 600 * (1 - y) };
    const r = Math.max(14, RING_OF_ALL * Math.sqrt(clusters[i].share));
    const name = draw("text", { x: Math.min(985, Math.max(15, at.x)), y: at.y + 8 }, `${i + 1}`);
    return draw("g", { class: "ring" }, draw("circle", { cx: at.x, cy: at.y, r }), name);
  });
}

/** What the row at the centre of each cluster says, and the cluster's share of the batch with its interval. */
function drawClusters(clusters, pick) {
  const host = section("clusters");
  if (!clusters?.length) return host.remove();
  const note =
    "Groups of rows that say one thing again and again. Each is shown by the row at its centre, with its share of the " +
    "batch; the pale part of a bar is the 95% interval. A click shows the rows that were turned away for it.";
  host.append(
    make("p", { class: "note" }, note),
    make("ol", { class: "clusters" }, clusters.map((each, i) => clusterLine(each, i, pick))),
  );
}

function clusterLine(cluster, i, pick) {
  const { gate, reason_class, share, low, high, rows } = cluster;
  const between = low === null || high === null ? "" : ` (${formatShare(low, 1)} to ${formatShare(high, 1)})`;
  const frame = { preserveAspectRatio: "none", viewBox: "0 0 1000 8", "aria-hidden": "true" };
  const bar = draw("svg", frame, draw("rect", { class: "share", width: 1000 * share, height: 8 }));
  if (between) {
    const wide = Math.max(2, 1000 * (high - low));
    bar.append(draw("rect", { class: "interval", x: 1000 * low, width: wide, height: 8 }));
  }
  const show = { class: "link", type: "button", click: () => pick({ gate, reason_class }) };
  return make(
    "li",
    {},
    make("b", {}, `${i + 1}`),
    make("span", { class: "centre" }, reveal(shorten(cluster.text, 200))),
    make("span", { class: "number" }, make("button", show, `${formatCount(rows)} turned away`)),
    make("span", { class: "number" }, formatShare(share, 1) + between),
    bar,
  );
}
