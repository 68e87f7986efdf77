// One row opened: where it comes from, what each gate said and on what evidence, and all its messages.

const decisionMark = (decision) =>
  make("span", { class: `decision ${decision ?? "undecided"}` }, decision ?? "undecided");

const decidingVerdict = (row) =>
  row.verdicts?.find((v) => v.gate === row.gate && (v.outcome === "reject" || v.outcome === "hold")) ?? null;

/** A row id, as a way to the row where the page has it. */
function rowLink(rowId, byId, goTo) {
  if (rowId === null || !byId.get(rowId)?.listed) return rowId;
  return make("button", { class: "link", type: "button", click: () => goTo(rowId) }, rowId);
}

function rowDetail(row, byId, goTo) {
  // a dialogue grows below a node of its tree, which is no row; only a redacted copy of one has a row behind it
  const parent = row.kind === "dialogue" && !byId.has(row.parent_id) ? "below node" : "made from";
  const facts = [
    ["id", row.row_id],
    ["own id", row.source_id],
    ["kind", row.kind],
    ["slice", row.slice],
    ["locale", row.locale],
    ["generator", row.generator],
    ["teacher", row.teacher],
    [parent, rowLink(row.parent_id, byId, goTo)],
    ["redacted copy", rowLink(row.stand_in, byId, goTo)],
  ];
  const list = facts
    .filter(([, value]) => value !== null)
    .map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  const deciding = decidingVerdict(row);
  const verdicts = [...(row.verdicts ?? [])].sort((a, b) => (b === deciding) - (a === deciding));
  return make(
    "div",
    { class: "card" },
    make("dl", { class: "facts" }, list),
    verdicts.map((verdict) => verdictBlock(verdict, verdict === deciding, row, byId, goTo)),
    conversation(row),
  );
}

function verdictBlock(verdict, deciding, row, byId, goTo) {
  const numbers = [];
  if (verdict.score !== null) numbers.push(`score ${formatScore(verdict.score)}`);
  if (verdict.threshold !== null) numbers.push(`threshold ${formatScore(verdict.threshold)}`);
  return make(
    "section",
    { class: deciding ? "verdict deciding" : "verdict" },
    make(
      "p",
      {},
      make("b", {}, verdict.gate),
      make("span", { class: `outcome ${DECISION_OF[verdict.outcome]}` }, verdict.outcome),
      numbers.length ? make("span", { class: "number" }, numbers.join(", ")) : null,
      verdict.reason ? make("span", { class: "muted" }, verdict.reason) : null,
    ),
    verdict.evidence ? evidenceBlock(JSON.parse(verdict.evidence), row, byId, goTo) : null,
  );
}

/** What a verdict rests on: the span in its place, the twin or eval item beside it, all else as it is.
 * Offsets count in the message that `message` names, else in the row's text. */
function evidenceBlock(evidence, row, byId, goTo) {
  const message = Number.isInteger(evidence.message) ? row.messages?.[evidence.message] : undefined;
  const text = message?.content ?? row.text ?? "";
  const here = message ? `Message ${evidence.message}, ${message.role}` : "This row";
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
  const range = locate(text, evidence.span, evidence.start, evidence.end);
  if (range && !panes.length)
    panes.push(make("div", { class: "panes" }, pane(here, highlight(text, [range]))));
  if (range) told.push("span", "start", "end");
  if (message && panes.length) told.push("message");
  const rest = Object.entries(evidence).filter(([key]) => !told.includes(key));
  const pairs = rest.map(([key, value]) =>
    make("div", {}, make("dt", {}, key), make("dd", {}, asText(value))),
  );
  return [...panes, pairs.length ? make("dl", { class: "facts" }, pairs) : null];
}

/** Each message (or the text) in which something was found, with all of it marked. */
function findingPanes(findings, row) {
  const places = new Map();
  for (const found of findings) {
    const message = row.messages?.[found?.message];
    const text = message ? message.content : row.text;
    const range = locate(text ?? "", undefined, found?.start, found?.end);
    if (!range || (!message && found.field !== "text")) return [];
    const title = message ? `Message ${found.message}, ${message.role}` : "This row";
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

function conversation(row) {
  const messages = row.messages ?? [];
  if (!messages.length) return make("p", { class: "text", dir: "auto" }, row.text ?? "");
  const turns = messages.map((m) =>
    make(
      "div",
      { class: "turn" },
      make("p", { class: "role" }, m.role ?? ""),
      make("p", { class: "text", dir: "auto" }, m.content ?? ""),
    ),
  );
  return make("div", { class: "conversation" }, turns);
}
