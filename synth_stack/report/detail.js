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
