// The gates' self-tests: what each caught of its canaries and turned away of its controls. A kind is a dot on
// its interval, beside its bar.

const formatRecall = (x) => x.toFixed(3);

function drawSelfTests(figures) {
  const host = section("self-tests");
  const tests = figures.self_tests;
  if (!tests.length)
    return host.append(emptyNote("No gate planted rows for itself, so what each one misses is not known."));
  const note =
    "Rows that each gate planted for itself: canaries, which it has to turn away, and controls, innocent rows " +
    "that it has to accept. The dot is the share turned away, the line its 95% interval, the tick its bar: a " +
    "kind of canary below it or of control above it fails the batch. None of these rows is among the rows of " +
    "the batch, and none of these shares says what the gate catches elsewhere.";
  const failed = tests.flatMap((test) => kindLines(test).filter((line) => line.classList.contains("failed")));
  host.append(
    make("p", { class: "note" }, note),
    testTable(tests),
    ...(failed.length ? [make("ul", { class: "recalls" }, failed)] : []),
    make(
      "details",
      {},
      make("summary", {}, "By kind"),
      make("ul", { class: "recalls" }, tests.flatMap(kindLines), scaleLine()),
    ),
  );
}

function testTable(tests) {
  const heads = ["gate", "canaries", "caught", "controls", "turned away", "off"];
  const head = make(
    "tr",
    {},
    heads.map((name) => make("th", { scope: "col" }, name)),
  );
  const body = make("tbody", {}, tests.map(testRow));
  const table = make("table", { class: "numbers tests" }, make("thead", {}, head), body);
  return scrolling("self-tests", table);
}

function testRow(test) {
  const flags = [test.blind ? "blind" : null, test.unfair ? "unfair" : null].filter(Boolean);
  const counts = [test.planted, test.caught, test.innocent, test.turned_away].map(formatCount);
  return make(
    "tr",
    { class: flags.length ? "failed" : null },
    make(
      "th",
      { scope: "row" },
      breakable(test.gate),
      flags.map((flag) => make("b", { class: "flag" }, flag)),
    ),
    counts.map((count) => make("td", {}, count)),
    make("td", { class: "off" }, test.off.join(", ")),
  );
}

function kindLines(test) {
  const canaries = test.canaries.map((kind) =>
    kindLine(test.gate, kind, kind.recall, kind.caught, kind.blind, `bar ≥ ${formatScore(kind.bar)}`),
  );
  const controls = test.controls.map((kind) =>
    kindLine(test.gate, kind, kind.share, kind.turned_away, kind.unfair, `control, bar ≤ ${formatScore(kind.bar)}`),
  );
  return [...canaries, ...controls];
}

function kindLine(gate, kind, share, count, failed, bar) {
  return make(
    "li",
    { class: failed ? "failed" : null },
    make("span", { class: "what" }, breakable(`${gate}: ${kind.kind}`)),
    shareMark(kind, share, bar),
    make("b", { class: "number" }, formatRecall(share)),
    make("span", { class: "number muted range" }, `${formatRecall(kind.low)}–${formatRecall(kind.high)}`),
    make("span", { class: "number muted" }, bar),
    make("span", { class: "number muted" }, `${formatCount(count)} of ${formatCount(kind.planted)}`),
  );
}

function shareMark(kind, share, bar) {
  const label =
    `${formatRecall(share)} turned away, interval ${formatRecall(kind.low)} to ${formatRecall(kind.high)}, ${bar}`;
  return intervalMark(kind, share, label);
}

function scaleLine() {
  const ends = ["0", "1"].map((end) => make("span", {}, end));
  return make("li", { class: "scale", "aria-hidden": "true" }, ends);
}
