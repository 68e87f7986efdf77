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
  // a dialogue grows below a node of its tree, which is no row; only a replacement of one names a row
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
    ["replaced by", rowLink(row.replaced_by, byId, goTo)],
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
      verdict.reason_class ? make("code", {}, verdict.reason_class) : null,
      verdict.reason ? make("span", { class: "muted" }, verdict.reason) : null,
    ),
    verdict.evidence ? evidenceBlock(JSON.parse(verdict.evidence), row, byId, goTo) : null,
  );
}

const WHOLE_ROW = "This row";

/** The text of a row that offsets count in, and its title: that at `path` ("messages.1.content"), else the
 * message of number `message`, else all of the row. The text is undefined where the page does not have it. */
function findPlace(row, place) {
  if (typeof place?.path === "string" && place.path !== "text") {
    const [, number] = /^messages\.(\d+)\.content$/.exec(place.path) ?? [];
    const text = place.path.split(".").reduce((held, key) => held?.[key], row);
    const title = number === undefined ? place.path : `Message ${number}, ${row.messages?.[number]?.role}`;
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
  const range = locate(text, evidence.span, evidence.start, evidence.end);
  if (range && !panes.length)
    panes.push(make("div", { class: "panes" }, pane(here, highlight(text, [range]))));
  if (range) told.push("span", "start", "end");
  if (here !== WHOLE_ROW && panes.length) told.push("message", "path", "role");
  const rest = Object.entries(evidence).filter(([key]) => !told.includes(key));
  const pairs = rest.map(([key, value]) =>
    make("div", {}, make("dt", {}, key), make("dd", {}, asText(value))),
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

/** Everything that a row says: its messages, what was compared, its tools and its documents. */
function conversation(row) {
  const messages = row.messages ?? [];
  const said = messages.length ? messages.map(turn) : [paragraph(row.text ?? "")];
  const documents = row.documents ?? [];
  return make(
    "div",
    { class: "conversation" },
    said,
    (row.alternatives ?? []).map(alternative),
    row.tools ? aside("tools that it may call", indent(row.tools)) : null,
    documents.map((document) => aside(document.title ?? document.id ?? "document", document.text ?? "")),
    row.left_out ? emptyNote(`${formatCount(row.left_out)} more parts of this row are in the run folder.`) : null,
  );
}

function turn(message) {
  const notes = [message.name, message.tool_call_id ? `answers ${message.tool_call_id}` : null];
  const role = [message.role ?? "no role", ...notes.filter((note) => note)].join(", ");
  const calls = message.tool_calls ?? [];
  const silent = message.content === undefined && (calls.length || message.reasoning);
  return make(
    "div",
    { class: "turn" },
    make("p", { class: "role" }, role),
    make(
      "div",
      {},
      message.reasoning ? aside("reasoning", message.reasoning) : null,
      silent ? null : paragraph(message.content ?? ""),
      calls.map(callBlock),
    ),
  );
}

function callBlock(call) {
  const name = make("b", {}, call.name ?? "no name");
  const id = call.id ? make("span", { class: "muted" }, ` ${call.id}`) : null;
  return make("div", { class: "call" }, make("p", {}, name, id), paragraph(indent(call.arguments ?? "")));
}

function alternative(side) {
  const rated = [side.rating ? `rating ${side.rating}` : null, side.ratings, side.model].filter((note) => note);
  const title = make("p", { class: "pane-title" }, [side.label ?? "compared", ...rated].join(", "));
  return make("div", { class: "side" }, title, (side.messages ?? []).map(turn));
}

const paragraph = (text) => make("p", { class: "text", dir: "auto" }, text);

/** A part of a row that opens with a click. */
const aside = (title, text) => make("details", {}, make("summary", {}, title), paragraph(text));

/** JSON over several lines; what is no JSON stays as it is. */
function indent(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Every text that a row says, for the search. */
function textsOf(row) {
  const sides = row.alternatives ?? [];
  const messages = [...(row.messages ?? []), ...sides.flatMap((side) => side.messages ?? [])];
  const spoken = messages.flatMap((m) => [
    m.content,
    m.reasoning,
    ...(m.tool_calls ?? []).flatMap((call) => [call.name, call.arguments]),
  ]);
  return [...spoken, row.tools, ...(row.documents ?? []).flatMap((d) => [d.title, d.text])];
}
