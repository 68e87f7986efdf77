/** The funnel, redrawn whenever its width changes, with its numbers as a table below. */
function drawFunnel(figures) {
  const host = section("funnel");
  if (!figures.generated)
    return host.append(emptyNote("No row was generated, so there is no funnel to draw."));
  if (!figures.funnel.length) return host.append(emptyNote("No gate looked at these rows."));
  const canvas = make("div", { class: "funnel" });
  host.append(canvas, funnelTable(figures));
  let drawnWidth = 0;
  new ResizeObserver(() => {
    const width = Math.floor(canvas.clientWidth);
    if (width === drawnWidth || !width) return;
    drawnWidth = width;
    canvas.replaceChildren(funnelDrawing(figures, width));
  }).observe(canvas);
}

function funnelDrawing(figures, width) {
  const wide = width >= 760;
  const frame = wide
    ? { wide, width, left: 190, right: width - 330, zone: 54, caption: 0, drift: 34 }
    : { wide, width, left: 0, right: width - 26, zone: 34, caption: 28, drift: 18 };
  const scale = (n) => (n ? Math.max(1.5, ((frame.right - frame.left) * n) / figures.rows) : 0);
  const svg = draw(
    "svg",
    { role: "img", "aria-label": describeFunnel(figures) },
    fade("rejected"),
    fade("held"),
  );
  if (wide) svg.append(...funnelHeadings(width));
  let y = 26;
  svg.append(...funnelStart(figures, frame, y, scale));
  svg.append(flow(frame.left, y + 30, scale(figures.rows), 26));
  y += 56 + frame.caption;
  for (const stage of figures.funnel) {
    svg.append(...funnelStage(stage, frame, y, scale));
    y += frame.zone + frame.caption;
  }
  const name = figures.undecided ? "accepted or undecided" : "accepted";
  svg.append(...funnelEnd(name, figures.accepted + figures.undecided, figures, frame, y, scale));
  svg.setAttribute("viewBox", `0 0 ${width} ${y + 30}`);
  return svg;
}

function describeFunnel(figures) {
  const stages = figures.funnel.map(
    (s) => `${s.gate}: ${s.entered} in, ${s.rejected} rejected, ${s.held} held`,
  );
  const others = figures.replacements ? ` and ${figures.replacements} replacement${figures.replacements === 1 ? "" : "s"}` : "";
  return spell(`${figures.generated} generated${others}. ${stages.join(". ")}. ${figures.accepted} accepted.`);
}

function fade(name) {
  const stops = [0.95, 0].map((opacity, offset) => draw("stop", { offset, "stop-opacity": opacity }));
  const down = { x1: 0, y1: 0, x2: 0, y2: 1 };
  return draw("linearGradient", { id: `fade-${name}`, class: `fade ${name}`, ...down }, stops);
}

function funnelHeadings(width) {
  const at = (x, text) => draw("text", { class: "muted end", x, y: 14 }, text);
  return [at(width - 210, "rejected"), at(width - 130, "held"), at(width, "passed on")];
}

/** The bar that goes in: the rows that were generated, and those that stand for some of them. */
function funnelStart(figures, frame, y, scale) {
  const { generated, replacements } = figures;
  const others = replacements ? ` + ${formatCount(replacements)} replacement${replacements === 1 ? "" : "s"}` : "";
  const bar = (kind, from, n) =>
    draw("rect", { class: kind, x: frame.left + scale(from), y, width: scale(n), height: 30 });
  return [
    ...funnelLabel("generated", formatCount(generated) + others, frame, y),
    bar("inflow", 0, generated),
    replacements ? bar("replacements", generated, replacements) : null,
  ].filter(Boolean);
}

/** The bar that comes out. */
function funnelEnd(name, count, figures, frame, y, scale) {
  const share = ` · ${formatShare(count, figures.rows)}`;
  return [
    ...funnelLabel(name, formatCount(count) + share, frame, y),
    draw("rect", { class: "accepted", x: frame.left, y, width: scale(count), height: 30 }),
  ];
}

/** A name and what it counts, beside their bar, or above it where it is narrow. */
function funnelLabel(name, count, frame, y) {
  const baseline = frame.wide ? y + 20 : y - 8;
  return [
    draw("text", { class: "strong", x: 0, y: baseline }, name),
    draw("text", { class: "strong end", x: frame.width, y: baseline }, count),
  ];
}

const flow = (x, y, width, height) => draw("rect", { class: "flow", x, y, width, height });

/** One gate: a line across what enters, the rest going straight on, the others peeling off to the right. */
function funnelStage(stage, frame, y, scale) {
  const [passed, held, rejected] = [scale(stage.passed), scale(stage.held), scale(stage.rejected)];
  const { left: x, width } = frame;
  const shapes = [
    peel("held", x + passed, held, y, frame),
    peel("rejected", x + passed + held, rejected, y, frame),
    flow(x, y, passed, frame.zone),
    draw("rect", { class: "gate", x, y: y - 1, width: scale(stage.entered), height: 2 }),
  ].filter(Boolean);
  const share = formatShare(stage.passed, stage.entered);
  if (!frame.wide) {
    const away = [
      stage.rejected && `${formatCount(stage.rejected)} rejected`,
      stage.held && `${formatCount(stage.held)} held`,
    ];
    const text = away.filter(Boolean).join(" · ") || "all passed";
    const name = draw("text", { class: "name", x: 0, y: y - 8 }, shorten(stage.gate, 18));
    return [...shapes, name, draw("text", { class: "end", x: width, y: y - 8 }, text)];
  }
  const at = (end, text, kind) => draw("text", { class: `end ${kind}`, x: end, y: y + 5 }, text);
  return [
    ...shapes,
    draw("line", { class: "lead", x1: x + scale(stage.entered) + 8, x2: width - 290, y1: y, y2: y }),
    draw("text", { class: "name", x: 0, y: y + 5 }, shorten(stage.gate, 22)),
    at(width - 210, formatCount(stage.rejected), stage.rejected ? "rejected" : "muted"),
    at(width - 130, formatCount(stage.held), stage.held ? "held" : "muted"),
    at(width - 66, formatCount(stage.passed), ""),
    at(width, share, "muted"),
  ];
}

function peel(name, x, width, y, frame) {
  if (!width) return null;
  const [right, middle, end] = [x + width, y + frame.zone / 2, y + frame.zone];
  const [farX, farRight] = [x + frame.drift, right + frame.drift];
  const path =
    `M${x},${y} C${x},${middle} ${farX},${middle} ${farX},${end} ` +
    `L${farRight},${end} C${farRight},${middle} ${right},${middle} ${right},${y} Z`;
  return draw("path", { d: path, fill: `url(#fade-${name})` });
}

function funnelTable(figures) {
  const heads = ["gate", "looked at", "accept", "hold", "reject", "abstain", "decided here", "passed on"];
  const rows = figures.funnel.map((s) => {
    const cells = [s.looked_at, s.accept, s.hold, s.reject, s.abstain, s.rejected + s.held, s.passed];
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, breakable(s.gate)),
      cells.map((n) => make("td", {}, formatCount(n))),
    );
  });
  const head = make(
    "tr",
    {},
    heads.map((name) => make("th", { scope: "col" }, name)),
  );
  const table = make("table", { class: "numbers" }, make("thead", {}, head), make("tbody", {}, rows));
  const note =
    "“Looked at” to “abstain” count verdicts. A row is decided once: by the first gate that rejects it, " +
    "else by the first that holds it.";
  return make(
    "details",
    {},
    make("summary", {}, "The funnel in numbers"),
    scrolling("the funnel in numbers", table),
    make("p", { class: "note" }, note),
  );
}
