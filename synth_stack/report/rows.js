const PAGE_SIZE = 25;
const EXCERPT_CHARS = 240;
const FILTERS = ["decision", "gate", "reason_class", "slice", "locale", "generator"];

/** The table of rows with its search, filters and pages; gives back the function that sets the filters. */
function drawRows(allRows) {
  const host = section("rows");
  const byId = new Map(allRows.map((row) => [row.row_id, row]));
  const rows = allRows.filter((row) => row.listed);
  if (!rows.length) {
    host.append(emptyNote("No row was decided in this run."));
    return () => {};
  }
  const search = make("input", {
    type: "search",
    placeholder: "Search text, reason or id",
    "aria-label": "Search text, reason or id",
  });
  const selects = new Map(FILTERS.map((name) => [name, filterSelect(name, rows)]));
  const clear = make("button", { class: "link", type: "button", click: () => pick({}) }, "Show all rows");
  const status = make("span", { role: "status" });
  const body = make("tbody");
  const heads = ["decision", "row", "slice", "gate", "score"].map((name) =>
    make("th", { scope: "col", class: `c-${name}` }, name),
  );
  const table = make("table", { class: "rows" }, make("thead", {}, make("tr", {}, heads)), body);
  const pager = make("nav", { class: "pager", "aria-label": "Pages of rows" });
  const shownSelects = [...selects.values()]
    .filter((select) => select.options.length > 2)
    .map((select) => select.parentElement);
  host.append(
    make("div", { class: "filters" }, search, shownSelects),
    make("p", { class: "status" }, status, clear),
    table,
    pager,
  );

  let page = 0;
  const open = new Set();

  function findMatches() {
    const needle = search.value.trim().toLowerCase();
    const wanted = FILTERS.map((name) => [name, selects.get(name).choice()]).filter(
      ([, choice]) => choice !== undefined,
    );
    return rows.filter(
      (row) =>
        wanted.every(([name, value]) => row[name] === value) && (!needle || haystack(row).includes(needle)),
    );
  }

  function show() {
    const matches = findMatches();
    const pages = Math.max(1, Math.ceil(matches.length / PAGE_SIZE));
    page = Math.min(page, pages - 1);
    const first = page * PAGE_SIZE;
    const visible = matches.slice(first, first + PAGE_SIZE);
    body.replaceChildren(...visible.flatMap((row) => rowElements(row, byId, open, goTo)));
    const range = matches.length
      ? `${formatCount(first + 1)}–${formatCount(first + visible.length)} of `
      : "";
    status.textContent = matches.length ? `${range}${countRows(matches.length)}` : "No row matches.";
    table.hidden = !matches.length;
    clear.hidden = matches.length === rows.length;
    pager.replaceChildren(...pageButtons(page, pages, turnTo));
  }

  function turnTo(number) {
    page = number;
    show();
    host.scrollIntoView();
  }

  function restart() {
    page = 0;
    show();
  }

  function pick(query) {
    search.value = query.text ?? "";
    for (const [name, select] of selects) select.choose(query[name]);
    restart();
    host.scrollIntoView();
    host.focus({ preventScroll: true });
  }

  function goTo(rowId) {
    open.add(rowId);
    pick({ text: rowId });
  }

  let pending = 0;
  search.addEventListener("input", () => {
    clearTimeout(pending);
    pending = setTimeout(restart, 120);
  });
  for (const select of selects.values()) select.addEventListener("change", restart);
  show();
  return pick;
}

function haystack(row) {
  row.haystack ??= [
    row.row_id,
    row.source_id,
    row.reason,
    row.reason_class,
    row.replaced_by,
    row.text,
    ...textsOf(row),
  ]
    .join("\n")
    .toLowerCase();
  return row.haystack;
}

/** A select over the values of one column, with how many rows each has. */
function filterSelect(name, rows) {
  const counts = new Map();
  for (const row of rows) counts.set(row[name], (counts.get(row[name]) ?? 0) + 1);
  const values = [...counts.keys()].sort((a, b) => (a ?? "").localeCompare(b ?? ""));
  const select = make("select");
  const label = name.replace("_", " ");
  select.append(new Option(`any ${label}`, ""));
  values.forEach((value, i) =>
    select.append(new Option(`${spell(value ?? "none")} (${formatCount(counts.get(value))})`, i)),
  );
  make("label", {}, make("span", { class: "hidden" }, label), select);
  select.choice = () => (select.value === "" ? undefined : values[Number(select.value)]);
  select.choose = (value) => {
    const at = value === undefined ? -1 : values.indexOf(value);
    select.value = at < 0 ? "" : String(at);
  };
  return select;
}

function pageButtons(page, pages, turnTo) {
  if (pages === 1) return [];
  const button = (text, to, off) =>
    make("button", { type: "button", class: "quiet", disabled: off, click: () => turnTo(to) }, text);
  return [
    button("Previous", page - 1, page === 0),
    make("span", {}, `Page ${formatCount(page + 1)} of ${formatCount(pages)}`),
    button("Next", page + 1, page === pages - 1),
  ];
}

function rowElements(row, byId, open, goTo) {
  const deciding = decidingVerdict(row);
  const asked = row.messages?.find((m) => m.role === "user")?.content ?? row.text;
  const excerpt = shorten(asked || "no text", EXCERPT_CHARS);
  const button = make(
    "button",
    { class: "toggle", type: "button", "aria-expanded": String(open.has(row.row_id)) },
    make("span", { class: "excerpt" }, excerpt),
  );
  const reason = row.reason ? make("span", { class: "reason" }, row.reason) : null;
  const line = make(
    "tr",
    { class: "line" },
    make("td", { class: "c-decision" }, decisionMark(row.decision)),
    make("td", { class: "c-row" }, button, reason),
    make("td", { class: "c-slice" }, row.slice ? breakable(row.slice) : "–"),
    make("td", { class: "c-gate" }, row.gate ? breakable(row.gate) : "–"),
    make("td", { class: "c-score" }, deciding && deciding.score !== null ? alignScore(deciding.score) : "–"),
  );
  const details = () =>
    make("tr", { class: "detail" }, make("td", { colspan: 5 }, rowDetail(row, byId, goTo)));
  button.addEventListener("click", () => {
    const opened = !open.has(row.row_id);
    button.setAttribute("aria-expanded", String(opened));
    if (opened) {
      open.add(row.row_id);
      line.after(details());
    } else {
      open.delete(row.row_id);
      line.nextElementSibling.remove();
    }
  });
  return open.has(row.row_id) ? [line, details()] : [line];
}
