// The page: a folder, a key id and a row id in; what was found out, as text alone.
const $ = (id) => document.getElementById(id);

function make(tag, text, name) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
}

const pause = () => new Promise((resume) => setTimeout(resume));

function fill(list, entries) {
  $(list).replaceChildren(...entries);
  $(list).closest("section").hidden = !entries.length;
}

function fact(name, text) {
  const group = make("div");
  group.append(make("dt", name), make("dd", text));
  return group;
}

function describe(found) {
  const rows = found.counts?.gates ?? [];
  const problems = found.problems.map((problem) => problem.tell());
  const [state, headline] = problems.length
    ? ["wrong", problems.length === 1 ? "Wrong: one thing does not hold" : `Wrong: ${problems.length.toLocaleString("en")} things do not hold`]
    : ["ok", "The pack is what was signed"];
  $("result").dataset.state = state;
  $("headline").textContent = headline;
  fill("problems", problems.slice(0, 200).map((text) => make("li", text)));
  fill("passed", problems.length ? [] : found.passed.map(([count, what]) => make("li", `${count.toLocaleString("en")} ${what}`)));
  fill("notes", found.notes.map((text) => make("li", printSafely(text))));
  const known = found.keyChecked ? ", which was expected" : "";
  const facts = [["identity", found.identity], ["root", found.root], ["key id", found.keyId && found.keyId + known]].filter(([, text]) => text);
  if (found.place && !problems.length) facts.push(["ledger", `batch ${found.place.sequence}`]);
  if (found.counts && !problems.length)
    for (const name of ["generated", ...RULES.decisions]) facts.push([name, found.counts[name].toLocaleString("en")]);
  fill("facts", facts.map(([name, text]) => fact(name, text)));
  fill("gates", problems.length ? [] : rows.map((gate) => {
    const row = make("tr");
    row.append(make("th", printSafely(gate.gate)), ...["looked_at", "abstained", "rejected", "held"].map((name) => make("td", gate[name].toLocaleString("en"), "n")));
    return row;
  }));
}

async function check() {
  const chosen = [...$("folder").files], row = $("row").value.trim(), keyId = $("key").value.trim();
  $("result").hidden = $("proof").hidden = true;
  delete document.documentElement.dataset.checked;
  if (!chosen.length) {
    $("progress").textContent = "Choose the folder of a pack.";
    return;
  }
  if (keyId && !SHA256_FORM.test(keyId)) {
    $("progress").textContent = "A key id is 64 lower-case hexadecimal digits.";
    return;
  }
  const tell = async (text) => {
    $("progress").textContent = text;
    await pause();
  };
  $("check").disabled = true;
  await tell("Reading the signature");
  if (row) await showRow(chosen, row, keyId);
  else {
    describe(await inspectChosen(chosen, keyId, tell));
    $("result").hidden = false;
    $("headline").focus();
  }
  $("progress").textContent = "";
  $("check").disabled = false;
  document.documentElement.dataset.checked = "yes";
}

async function showRow(chosen, row, keyId) {
  let lines;
  try {
    lines = await proveChosen(chosen, row, keyId);
    $("proof").dataset.state = "ok";
    $("proved").textContent = "The record of this row was signed";
  } catch (error) {
    lines = [["wrong", toRefusal(error).tell()]];
    $("proof").dataset.state = "wrong";
    $("proved").textContent = "The row is not proved";
  }
  fill("lines", lines.map(([name, text]) => {
    const group = fact(name, name === "record" ? undefined : printSafely(text));
    if (name === "record") group.lastChild.append(make("pre", text));
    return group;
  }));
  $("proof").hidden = false;
  $("proved").focus();
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  check();
});
$("folder").addEventListener("change", () => {
  const [first] = $("folder").files;
  $("chosen").textContent = first ? `${first.webkitRelativePath.split("/")[0]}: ${$("folder").files.length.toLocaleString("en")} files` : "no folder chosen";
  check();
});
document.documentElement.dataset.drawn = "yes";
