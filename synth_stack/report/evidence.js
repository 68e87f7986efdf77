// What a verdict rests on: spans in their place, twins, eval items, claims beside passages, shifts of a batch.

const WHOLE_ROW = "This row";

/** The text of a row that offsets count in, and its title: that at `path` ("messages.1.content"), else the
 * message of number `message`, else all of the row. The text is undefined where the page does not have it. */
function findPlace(row, place) {
  if (typeof place?.path === "string" && place.path !== "text") {
    const [, number] = /^messages\.(\d+)\.content$/.exec(place.path) ?? [];
    const text = place.path.split(".").reduce((held, key) => held?.[key], row);
    const role = row.messages?.[number]?.role;
    const title = number === undefined ? place.path : `Message ${number}${role ? `, ${role}` : ""}`;
    return { title, text: typeof text === "string" ? text : undefined };
  }
  const message = Number.isInteger(place?.message) ? row.messages?.[place.message] : undefined;
  if (message) return { title: `Message ${place.message}, ${message.role}`, text: message.content };
  return { title: WHOLE_ROW, text: row.text };
}

/** What a verdict rests on: the span in its place, the twin or eval item beside it, all else as it is.
 * Offsets count in the text that `path` or `message` names, else in the row's text. */
function evidenceBlock(evidence, row, byId, goTo) {
  const place = findPlace(row, evidence);
  const here = place.title;
  const text = place.text ?? "";
  const panes = [];
  const told = [];
  if (typeof evidence.twin === "string") {
    panes.push(twinPanes(evidence.twin, here, text, byId, goTo));
    told.push("twin");
  }
  if (typeof evidence.item_text === "string") {
    const name = [evidence.eval_set, evidence.item]
      .filter((value) => value !== undefined)
      .map(asText)
      .join(", ");
    panes.push(comparePanes(here, text, `Eval item ${name}`, evidence.item_text));
    told.push("item_text", "eval_set", "item");
  }
  if (Array.isArray(evidence.findings)) {
    panes.push(...findingPanes(evidence.findings, row));
    if (panes.length) told.push("findings");
  }
  if (Array.isArray(evidence.claims) && evidence.claims.every(isRecord)) {
    panes.push(claimList(evidence.claims, row));
    told.push("claims");
  }
  if (Array.isArray(evidence.shifts) && evidence.shifts.every(isRecord)) {
    panes.push(shiftList(evidence.shifts));
    told.push("shifts");
  }
  const range = locate(text, evidence.span, evidence.start, evidence.end);
  if (range && !panes.length)
    panes.push(make("div", { class: "panes" }, pane(here, highlight(text, [range]))));
  if (range) told.push("span", "start", "end");
  if (here !== WHOLE_ROW && panes.length) told.push("message", "path", "role");
  const rest = Object.entries(evidence).filter(([key]) => !told.includes(key));
  const pairs = rest.map(([key, value]) =>
    make("div", {}, make("dt", {}, key), make("dd", {}, isTally(value) ? listCounts(value) : asText(value))),
  );
  return [...panes, pairs.length ? make("dl", { class: "facts" }, pairs) : null];
}

/** Each text of the row in which something was found, with all of it marked. */
function findingPanes(findings, row) {
  const places = new Map();
  for (const found of findings) {
    const { title, text } = findPlace(row, found);
    const range = locate(text ?? "", undefined, found?.start, found?.end);
    const isNamed = title !== WHOLE_ROW || [found?.path, found?.field].includes("text");
    if (!range || !isNamed) return [];
    if (!places.has(title)) places.set(title, { text, ranges: [] });
    places.get(title).ranges.push(range);
  }
  const panes = [...places].map(([title, { text, ranges }]) => pane(title, highlight(text, apart(ranges))));
  return panes.length ? [make("div", { class: "panes" }, panes)] : [];
}

/** The ranges in ascending order, those that run into each other as one. */
function apart(ranges) {
  const joined = [];
  for (const [start, end] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else joined.push([start, end]);
  }
  return joined;
}

/** Counts by name, of which some are not zero. */
const isTally = (value) =>
  isRecord(value) && Object.values(value).every(Number.isInteger) && Object.values(value).some((n) => n);

const listCounts = (tally) =>
  Object.entries(tally)
    .filter(([, n]) => n)
    .map(([name, n]) => `${name} ${formatCount(n)}`)
    .join(", ");

const asText = (value) => (typeof value === "string" ? value : JSON.stringify(value));

const pane = (title, nodes, ...more) =>
  make(
    "div",
    { class: "pane" },
    make("p", { class: "pane-title" }, title, ...more),
    make("p", { class: "text", dir: "auto" }, nodes),
  );

function twinPanes(twinId, here, text, byId, goTo) {
  const twin = byId.get(twinId);
  if (!twin) return emptyNote(`Its twin ${twinId} is not a row of this run.`);
  const jump = make("button", { class: "link", type: "button", click: () => goTo(twinId) }, "show that row");
  return comparePanes(
    here,
    text,
    `Twin ${twinId}`,
    twin.text ?? "",
    decisionMark(twin.decision),
    twin.listed ? jump : null,
  );
}

const SHARED_NOTES = [
  "The two share no words.",
  "Marked: words that both hold.",
  "Marked: two words in a row that both hold.",
  "Marked: three or more words in a row that both hold.",
];

function comparePanes(here, text, there, other, ...more) {
  const shared = findShared(text, other);
  const sides = [
    pane(here, highlight(text, shared.left)),
    pane(there, highlight(other, shared.right), ...more),
  ];
  return make(
    "div",
    {},
    make("div", { class: "panes" }, sides),
    make("p", { class: "note" }, SHARED_NOTES[shared.size]),
  );
}

const isRecord = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** Claims of an answer, each beside the words of the source that it was held against. */
function claimList(claims, row) {
  return make(
    "ul",
    { class: "claims" },
    claims.map((claim) => make("li", {}, claimTitle(claim), claimPanes(claim, row))),
  );
}

const CLAIM_DECISION = { supported: "accepted", contradicted: "rejected", not_found: "held" };

function claimTitle(claim) {
  const standing = asText(claim.standing ?? "undecided");
  const notes = [claim.sort, claim.by ? `by ${asText(claim.by)}` : null].filter(Boolean).map(asText);
  return make(
    "p",
    { class: "claim" },
    make("span", { class: `decision ${CLAIM_DECISION[standing] ?? "undecided"}` }, standing.replaceAll("_", " ")),
    make("span", { class: "muted" }, notes.join(", ")),
    claim.said ? make("span", {}, asText(claim.said)) : null,
  );
}

function claimPanes(claim, row) {
  const said = asText(claim.claim ?? "");
  const here = findPlace(row, claim).title;
  const sources = [claim.source, claim.against].filter((source) => isRecord(source) && typeof source.text === "string");
  if (!sources.length) return make("div", { class: "panes" }, pane(here, said));
  return sources.map((source) => comparePanes(here, said, asText(source.passage ?? "source"), source.text));
}

/** Shifts of a batch against real rows: each a dot on its interval, beside the bar that it passes. */
function shiftList(shifts) {
  const numbers = shifts.flatMap((shift) => [shift.high, shift.bar, shift.size]).filter(Number.isFinite);
  const scale = Math.max(...numbers, 0) || 1;
  return make("ul", { class: "recalls shifts" }, shifts.map((shift) => shiftLine(shift, scale)));
}

function shiftLine(shift, scale) {
  const known = ["size", "low", "high", "bar"].every((key) => Number.isFinite(shift[key]));
  const part = (key) => Math.min(1, Math.max(0, shift[key] / scale));
  const bar = known ? `bar ${formatScore(shift.bar)}` : "";
  const placed = { low: part("low"), high: part("high"), bar: part("bar") };
  const label = known
    ? `${formatScore(shift.size)}, interval ${formatScore(shift.low)} to ${formatScore(shift.high)}, ${bar}`
    : "";
  return make(
    "li",
    {},
    make("span", { class: "what" }, asText(shift.statistic ?? "")),
    known ? intervalMark(placed, part("size"), label) : null,
    make("b", { class: "number" }, known ? formatScore(shift.size) : ""),
    make("span", { class: "number muted range" }, known ? `${formatScore(shift.low)}–${formatScore(shift.high)}` : ""),
    make("span", { class: "number muted" }, bar),
    make("span", { class: "muted probe" }, asText(shift.probe ?? "")),
  );
}
