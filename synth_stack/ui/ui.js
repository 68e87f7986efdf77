// The local page: asks its own server for pages of rows, opens one with its lineage, and judges held ones.
// Everything that comes from a row passes through make() of text.js, and so becomes text.

const TOKEN = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
const ROWS_A_PAGE = 25;
const SEARCH_WAIT_MS = 250;
const CHOICES = ["decision", "gate", "reason_class", "slice", "locale", "kind", "generator"];
const SHOWN_SIBLINGS = 20;

const byName = (id) => document.getElementById(id);
const quiet = (text, click, chief) =>
  make("button", { type: "button", class: chief ? "do chief" : "do", click }, text);

const view = { offset: 0, summary: null, asked: new Set(), said: {}, open: new Set() };
let latest = 0;

/** The server's answer; an error that says what the server said. */
async function call(path, body) {
  const headers = { Authorization: `Bearer ${TOKEN}` };
  const options = body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server of this page does not answer: it has been stopped.");
  }
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error);
  return value;
}

/** What `work` gives; what went wrong is shown at the top, and null is given. */
async function attempt(work) {
  const alert = byName("alert");
  try {
    const value = await work();
    alert.hidden = true;
    return value;
  } catch (error) {
    alert.replaceChildren(...reveal(error.message));
    alert.hidden = false;
    return null;
  }
}

async function refresh() {
  const summary = await attempt(() => call("/api/summary"));
  if (!summary) return;
  view.summary = summary;
  takeDesk(summary.desk);
  document.title = `${spell(summary.name)} · synth_stack`;
  byName("name").replaceChildren(...reveal(summary.name));
  byName("where").textContent = summary.where === "pack" ? "Pack (verify it with synth-stack verify)" : "Run";
  drawTotals(summary);
  drawFilters(summary);
  drawDesk();
  await showRows();
  document.documentElement.dataset.drawn = "yes";
}

function takeDesk(desk) {
  view.desk = desk;
  view.asked = new Set(desk?.asked ?? []);
  view.said = desk?.said ?? {};
}

function drawTotals(summary) {
  const total = (name, count) =>
    make(
      "div",
      { class: `total ${name}` },
      make("dt", {}, name),
      make("dd", {}, formatCount(count), make("small", {}, formatShare(count, summary.rows))),
    );
  byName("totals").replaceChildren(
    ...Object.entries(summary.counts.decision).map(([name, count]) => total(name, count)),
  );
}

// --- choosing rows ---

function drawFilters(summary) {
  const form = byName("filters");
  if (form.childElementCount) return updateCounts(summary);
  const search = make("input", {
    type: "search",
    name: "q",
    maxlength: 1000,
    placeholder: "Search text, reason or id",
    "aria-label": "Search text, reason or id",
  });
  let wait;
  search.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(restart, SEARCH_WAIT_MS);
  });
  const gates = summary.gates.map((gate) => gate.name);
  const scoreGate = select("score_gate", "score", gates.map((name) => [name, `score of ${name}`]));
  form.append(
    search,
    ...CHOICES.map((name) => select(name, name.replace("_", " "), countedValues(summary.counts[name]))).filter((each) => each),
    ...(scoreGate ? [scoreGate, bound("low", "from"), bound("high", "to"), byScore()] : []),
  );
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", (event) => {
    updateBounds();
    if (event.target !== search) restart();
  });
  byName("clear").addEventListener("click", () => {
    form.reset();
    updateBounds();
    restart();
  });
  updateBounds();
}

/** Bounds and order of a score can be chosen once its gate is: before, there is no score that they are of. */
function updateBounds() {
  const { score_gate: gate, low, high, sort } = byName("filters").elements;
  for (const part of gate ? [low, high, sort] : []) part.disabled = !gate.value;
}

const countedValues = (counts) =>
  Object.entries(counts).map(([value, count]) => [value, `${value} (${formatCount(count)})`]);

function select(name, label, values) {
  if (values.length < 2) return null;
  const chooser = make("select", { name });
  chooser.append(...listOptions(label, values));
  return make("label", {}, make("span", { class: "hidden" }, label), chooser);
}

const listOptions = (label, values) => [
  new Option(`any ${label}`, ""),
  ...values.map(([value, text]) => new Option(spell(text), value)),
];

function updateCounts(summary) {
  for (const name of CHOICES) {
    const chooser = byName("filters").elements[name];
    if (!chooser) continue;
    const chosen = chooser.value;
    chooser.replaceChildren(...listOptions(name.replace("_", " "), countedValues(summary.counts[name])));
    chooser.value = [...chooser.options].some((option) => option.value === chosen) ? chosen : "";
  }
}

const bound = (name, text) =>
  make("label", { class: "number" }, text, make("input", { type: "number", step: "any", name }));

const byScore = () => {
  const chooser = make("select", { name: "sort" });
  chooser.append(new Option("in order", ""), new Option("highest score first", "score"));
  return make("label", {}, make("span", { class: "hidden" }, "order"), chooser);
};

function restart() {
  view.offset = 0;
  return attempt(showRows);
}

function readQuery() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(byName("filters"))) if (value !== "") query.set(name, value);
  return query;
}

async function showRows() {
  const query = readQuery();
  const chosen = [...query.keys()].length > 0;
  query.set("offset", view.offset);
  query.set("limit", ROWS_A_PAGE);
  const mine = ++latest;
  byName("list").setAttribute("aria-busy", "true");
  const found = await attempt(() => call(`/api/rows?${query}`));
  if (mine !== latest) return;
  byName("list").removeAttribute("aria-busy");
  if (!found) return;
  const last = view.offset + found.rows.length;
  byName("status").textContent = found.total
    ? `${formatCount(view.offset + 1)}–${formatCount(last)} of ${countRows(found.total)}`
    : "No row matches.";
  byName("clear").hidden = !chosen;
  byName("list").replaceChildren(...found.rows.map(rowItem));
  const pages = Math.max(1, Math.ceil(found.total / ROWS_A_PAGE));
  byName("pager").replaceChildren(...pageButtons(view.offset / ROWS_A_PAGE, pages, turnTo));
}

function turnTo(page) {
  view.offset = page * ROWS_A_PAGE;
  byName("rows").focus({ preventScroll: true });
  byName("rows").scrollIntoView();
  return attempt(showRows);
}

// --- one row ---

function rowItem(row) {
  const text = row.text === null ? "not in this pack: it holds the texts of accepted rows" : row.text || "no text";
  const button = make(
    "button",
    { class: "toggle", type: "button", "aria-expanded": "false" },
    make("span", { class: row.text === null ? "excerpt muted" : "excerpt" }, text.replace(/\s+/g, " ")),
  );
  const score = typeof row.score === "number" ? make("span", {}, `score ${formatScore(row.score)}`) : null;
  const said = view.said[row.row_id];
  const item = make(
    "li",
    { "data-row": row.row_id },
    button,
    make(
      "div",
      { class: "head" },
      decisionMark(row.decision),
      row.gate ? make("span", {}, row.gate) : null,
      score,
      row.slice ? make("span", {}, row.slice) : null,
      said ? make("b", {}, `you said ${said}`) : null,
      row.reason ? make("span", {}, row.reason) : null,
    ),
  );
  button.addEventListener("click", async () => {
    const opened = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!opened));
    if (opened) return item.querySelector(".card").remove();
    const traced = await attempt(() => traceRow(row.row_id));
    if (traced) item.append(traced);
    else button.setAttribute("aria-expanded", "false");
  });
  return item;
}

const traces = new Map();

/** A row with everything known of it, in the form that detail.js draws. */
async function readRow(rowId) {
  if (!traces.has(rowId)) {
    const traced = await call(`/api/rows/${rowId}`);
    traces.set(rowId, {
      ...traced.row,
      text: traced.row.text ?? "",
      decision: traced.decision,
      gate: traced.gate,
      replaced_by: traced.replaced_by?.row_id ?? null,
      verdicts: traced.verdicts.map((verdict) => ({
        ...verdict,
        score: verdict.score === null || verdict.score === undefined ? null : Number(verdict.score),
        threshold: verdict.threshold === null || verdict.threshold === undefined ? null : Number(verdict.threshold),
      })),
      listed: true,
      traced,
    });
  }
  return traces.get(rowId);
}

async function traceRow(rowId) {
  const row = await readRow(rowId);
  const others = [row.replaced_by, row.traced.parent?.row_id, ...row.verdicts.map(namedTwin)];
  const known = new Map([[rowId, row]]);
  for (const other of others.filter((id) => typeof id === "string" && /^[0-9a-f]{32}$/.test(id)))
    await readRow(other).then((found) => known.set(other, found), () => null);
  const card = rowDetail(row, known, findRow);
  card.append(lineage(row.traced), proofPart(rowId), ...[judgeForm(rowId, row)].filter(Boolean));
  return card;
}

function namedTwin(verdict) {
  try {
    return verdict.twin ?? (verdict.evidence ? JSON.parse(verdict.evidence).twin : null);
  } catch {
    return null;
  }
}

function findRow(rowId) {
  byName("filters").reset();
  updateBounds();
  byName("filters").elements.q.value = rowId;
  byName("rows").scrollIntoView();
  return restart();
}

/** Where the row comes from: seed, templates, draw, models and siblings. */
function lineage(traced) {
  const row = traced.row;
  const facts = [
    ["seed", traced.seed ? `${traced.seed.seed_id}: ${traced.seed.text}` : row.seed_id],
    ["draw", row.draw === null || row.draw === undefined ? null : String(row.draw)],
    ["randomness", row.rng_seed ? String(row.rng_seed) : null],
    ["again", row.replayable === undefined || row.replayable === null ? null : row.replayable ? "replayable" : "not replayable"],
    ["teacher digest", row.teacher_digest],
    ["parameters", row.params],
    ["failure", row.failure],
  ];
  const list = facts
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  const templates = Object.entries(traced.templates ?? {}).map(([name, text]) =>
    aside(`template ${name}`, text ?? "its text is not there"),
  );
  const siblings = traced.siblings.slice(0, SHOWN_SIBLINGS);
  const more = traced.siblings.length - siblings.length;
  const link = (other) =>
    make(
      "li",
      {},
      make("button", { class: "link", type: "button", click: () => findRow(other.row_id) }, other.row_id),
      ` ${other.decision ?? "undecided"}`,
    );
  return make(
    "section",
    { class: "lineage", "aria-label": "Lineage" },
    make("dl", { class: "facts" }, list),
    templates,
    siblings.length
      ? make(
          "details",
          {},
          make("summary", {}, `${countRows(traced.siblings.length)} of the same seed`),
          make("ul", {}, siblings.map(link)),
          more > 0 ? make("p", { class: "note" }, `and ${formatCount(more)} more`) : null,
        )
      : null,
  );
}

/** A button that proves the row against the signature of its pack, and what came of it. */
function proofPart(rowId) {
  if (!view.summary.packed) return make("p", { class: "note" }, "Not proved: this run has no pack, and only a pack is signed.");
  const said = make("div", { role: "status" });
  const prove = async () => {
    let proof;
    try {
      proof = await call(`/api/rows/${rowId}/proof`);
    } catch (error) {
      return said.replaceChildren(make("p", { class: "note" }, error.message));
    }
    said.replaceChildren(proofFacts(proof));
  };
  return make("section", { class: "lineage", "aria-label": "Proof" }, quiet("Prove this row", prove), said);
}

function proofFacts(proof) {
  const what = proof.in_data ? "the record and the row itself" : "the record; a pack holds no row that was turned away";
  const facts = [
    ["proved", what],
    ["recorded as", proof.decision],
    ["leaf", `${formatCount(proof.index)} of ${formatCount(proof.size)}`],
    ["hashes to the root", formatCount(proof.proof.length)],
    ["signed root", proof.root],
    ["key", proof.key_id],
  ];
  return make(
    "div",
    {},
    make("dl", { class: "facts" }, facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)))),
    proof.warnings.map((warning) => make("p", { class: "note" }, warning)),
  );
}

// --- judging held rows ---

function drawDesk() {
  const host = byName("desk");
  const held = view.summary.counts.decision.held ?? 0;
  if (!view.desk || (!held && !view.desk.planned)) return host.replaceChildren();
  const said = Object.keys(view.said).length;
  const box = make("div", { class: "desk" });
  if (!view.desk.planned) {
    box.append(
      make(
        "p",
        {},
        `Held: ${countRows(held)}. A person releases or rejects what is held, and that is signed with the rest: open a ` +
          "held row to say. Your first answer plans that one person reads each held row.",
      ),
      quiet("Show held rows", showHeld, true),
      quiet("Plan their review", () => act("/api/plan")),
    );
  } else if (!held) {
    box.append(make("p", {}, "No row is held any more. A pack that was written before is of before: write it again."));
  } else {
    const left = [...view.asked].filter((id) => !(id in view.said)).length;
    box.append(
      make("p", {}, `To judge here: ${countRows(left)} of ${formatCount(view.asked.size)}. Answered by you: ${countRows(said)}.`),
      quiet("Show held rows", showHeld),
      quiet("Put the answers into effect", () => act("/api/decide", true), true),
    );
  }
  host.replaceChildren(box);
}

function showHeld() {
  byName("filters").reset();
  const { decision } = byName("filters").elements;
  if (decision) decision.value = "held";
  updateBounds();
  byName("rows").focus({ preventScroll: true });
  byName("rows").scrollIntoView();
  return restart();
}

async function act(path, all) {
  const buttons = byName("desk").querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  const done = await attempt(() => call(path, {}));
  for (const button of buttons) button.disabled = false;
  if (!done) return;
  traces.clear();
  if (all) return refresh();
  takeDesk(done);
  drawDesk();
  await attempt(showRows);
}

function judgeForm(rowId, row) {
  if (!view.desk || row.decision !== "held") return null;
  if (view.desk.planned && !view.asked.has(rowId))
    return make("p", { class: "note" }, "The review plan does not ask for this row here: read it with synth-stack review rows.");
  const option = (value, text) => new Option(text, value);
  const defect = make("select");
  defect.append(...view.desk.defects.map((each) => option(each.name, `${each.name}: ${each.means}`)));
  const severity = make("select");
  severity.append(...view.desk.severities.map((each) => option(each, each)));
  const note = make("input", { type: "text", maxlength: 10000 });
  const send = (judgement) => async () => {
    const fault = judgement === "reject" ? { defect: defect.value, severity: severity.value } : {};
    const body = { row_id: rowId, judgement, ...fault, ...(note.value ? { note: note.value } : {}) };
    const done = await attempt(async () => {
      if (!view.desk.planned) takeDesk(await call("/api/plan", {}));
      return call("/api/judgements", body);
    });
    if (!done) return;
    takeDesk(done);
    drawDesk();
    await attempt(showRows);
    byName("list").querySelector(`[data-row="${rowId}"] .toggle`)?.focus();
  };
  return make(
    "fieldset",
    { class: "judge" },
    make("legend", {}, view.said[rowId] ? `You said ${view.said[rowId]}; another answer takes its place` : "This row is held: what do you say?"),
    quiet("Release", send("release"), true),
    make("label", {}, "defect", defect),
    make("label", {}, "how bad", severity),
    make("label", { class: "wide" }, "note (stays in the run)", note),
    quiet("Reject", send("reject")),
    quiet("Unsure", send("unsure")),
  );
}

refresh();
