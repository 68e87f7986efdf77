// The list of tombstones of a pack that was issued again, and the rows that it withdraws; and the ledger.
async function readRevocations(bytes, where, keyId) {
  const lines = [];
  let from = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
    lines.push(bytes.subarray(from, end));
    from = end + 1;
  }
  if (from !== bytes.length) throw new Refusal(`${where} is torn or too large for a list of tombstones`);
  const header = lines.length ? parseCanonical(lines[0], `${where}: line 1`) : null;
  if (!has(header, "public_key:str scheme:str") || header.scheme !== RULES.revocation_scheme) throw new Refusal(`${where} is no list of tombstones`);
  const key = readKey(header.public_key, `the key in ${where}`);
  if (key.id !== keyId) throw new Refusal(`${where} is the list of another key`, key.id, keyId);
  const found = [];
  for (const [number, line] of lines.slice(1).entries()) {
    const told = `${where}: tombstone ${number}`, { payload, named, signature } = openEnvelope(line, told, RULES.revocation_type);
    if (named !== key.id) throw new Refusal(`${told} was signed with another key`, named, key.id);
    await checkSignature(key, signature, payload, told, RULES.revocation_type);
    found.push(readTombstone(payload, told, number, toHex(sha256(lines[number]))));
  }
  return found;
}

function readTombstone(payload, where, number, previous) {
  const value = parseCanonical(payload, where), { selectors } = RULES;
  if (!has(value, "scheme:str previous:str who:str when:str why:str sequence:int select:dict") || value.scheme !== RULES.revocation_scheme) throw new Refusal(`${where} is none`);
  if (value.sequence !== number || value.previous !== previous) throw new Refusal(`${where} does not go on from the one before it`, value.sequence, `sequence ${number}`);
  const by = Object.keys(value.select);
  if (!by.length || by.some((name) => !selectors.includes(name))) throw new Refusal(`${where} selects by nothing, or by what no list selects by`, by);
  for (const values of Object.values(value.select))
    if (!Array.isArray(values) || !values.length || values.some((each) => typeof each !== "string" || !each)) throw new Refusal(`${where} selects by nothing`);
  if ((value.select.row ?? []).some((id) => !ROW_ID_FORM.test(id))) throw new Refusal(`${where} names a row that cannot be`);
  return value.select;
}

// The rows that tombstones withdraw: those that they select, and whatever came from such a row.
class Withdrawal {
  constructor(tombstones) {
    this.values = Object.fromEntries(RULES.selectors.map((by) => [by, new Set(tombstones.flatMap((select) => select[by] ?? []))]));
    this.causes = new Set();
    this.children = new Map();
    this.decisions = new Map();
  }

  add(record) {
    const { row_id: row, origin } = record, caused = this.selects(record);
    const links = ["parent_id", "source_id", "seed_id"].map((name) => origin[name]).filter((id) => id !== null && ROW_ID_FORM.test(id));
    for (const link of links) this.children.set(link, [...(this.children.get(link) ?? []), row]);
    if (caused) this.causes.add(row);
    if (caused || links.length) this.decisions.set(row, record.decision.decision);
  }

  findAccepted() {
    const found = new Set(this.causes), pending = [...found, ...this.values.row];
    while (pending.length)
      for (const child of this.children.get(pending.pop()) ?? [])
        if (!found.has(child)) {
          found.add(child);
          pending.push(child);
        }
    return new Set([...found].filter((row) => this.decisions.get(row) === "accepted"));
  }

  selects(record) {
    const { values } = this, { origin } = record;
    if (values.row.has(record.row_id) || values.seed.has(origin.seed_id)) return true;
    const templates = (origin.template_id ?? "").split(/\s+/).filter(Boolean);
    if (templates.some((name) => values.template.has(name) || values.template.has(name.split("@")[0]))) return true;
    const models = [origin.teacher, origin.teacher_digest, ...(origin.models ?? []).flatMap((model) => [model.name, model.digest])];
    if (models.some((model) => values.teacher.has(model))) return true;
    return record.verdicts.some(({ cites }) => values.eval_item.has(`${cites?.eval_set ?? null}:${cites?.item ?? null}`));
  }
}

// The ids of withdrawn rows, and the tombstones that withdraw them.
class Withdrawn extends Set {
  constructor(rows = [], tombstones = []) {
    super(rows);
    this.tombstones = tombstones;
  }
}

// The rows that a pack which was issued again has withdrawn, if its list withdraws these.
async function checkWithdrawn(pack, signed) {
  const said = signed.predicate.withdrawn, { revoked, withdrawn: where } = RULES;
  if (said === null) {
    for (const name of [revoked, where])
      if (pack.files.has(name)) throw new Refusal(`${name} does not belong to a pack from which nothing was withdrawn`);
    return new Withdrawn();
  }
  if (!has(said, "entries:int list:str rows:int statement:str") || !matches(SHA256_FORM, said.statement)) throw new Refusal(`${RULES.statement}: what it says of withdrawn rows is none`);
  const bytes = await pack.read(revoked, RULES.max_revoked_bytes);
  const tombstones = await readRevocations(bytes, revoked, signed.keyId);
  if (said.entries !== tombstones.length || said.list !== toHex(sha256(bytes))) throw new Refusal(`${RULES.statement}: its rows were withdrawn by another list than ${revoked}`, said.list);
  if (tombstones.some((select) => RULES.corpus_selectors.some((by) => by in select)) && pack.files.has(RULES.seeds))
    throw new Refusal(`${RULES.seeds} is there, and ${revoked} withdraws a text of the seed corpus`);
  const rows = await readWithdrawnRows(pack, said.rows), listed = new Withdrawn(rows, tombstones), ordered = [], found = new Withdrawal(tombstones);
  for (const name of listRecords(pack))
    for await (const line of readLines(pack, name)) {
      const record = parseRecord(line, name);
      found.add(record);
      if (!listed.has(record.row_id)) continue;
      ordered.push(`${record.row_id} ${record.decision.decision}`);
      if (found.values.document.size) {
        found.causes.add(record.row_id);
        found.decisions.set(record.row_id, "accepted");
      }
    }
  if (!equalValues(ordered, rows.map((row) => `${row} accepted`))) throw new Refusal(`${where}: its rows are not accepted rows of this pack, in their order`);
  const wanted = found.findAccepted();
  const missing = [...wanted].filter((row) => !listed.has(row)).sort()[0], extra = rows.filter((row) => !wanted.has(row)).sort()[0];
  if (missing) throw new Refusal(`${where}: row ${missing} is withdrawn by ${revoked}, and is not in it`);
  if (extra) throw new Refusal(`${where}: row ${extra} is withdrawn by no tombstone in ${revoked}`);
  return listed;
}

async function readWithdrawnRows(pack, signed) {
  const where = RULES.withdrawn, value = parseCanonical(await pack.read(where, RULES.max_revoked_bytes), where, "\n");
  if (!has(value, "scheme:str rows:list") || value.scheme !== RULES.withdrawn_scheme) throw new Refusal(`${where} is of another scheme, or of none`);
  const { rows } = value;
  if (rows.some((row) => !matches(ROW_ID_FORM, row)) || new Set(rows).size !== rows.length) throw new Refusal(`${where}: a row is none, or stands there twice`);
  if (rows.length !== signed) throw new Refusal(`${where} does not hold as many rows as were signed`, rows.length, `${signed}`);
  return rows;
}

// The hashes of the batches before this one; null for a pack without a place in a ledger.
async function checkLedger(pack, place) {
  const where = RULES.ledger;
  if (place === null) {
    if (pack.files.has(where)) throw new Refusal(`${where} does not belong to a pack that has no place in a ledger`);
    return null;
  }
  if (!has(place, "sequence:int previous:dict") || !has(place.previous, "size:int root:str")) throw new Refusal(`${RULES.statement}: its place in a ledger is none`);
  const value = parseCanonical(await pack.read(where, RULES.max_seal_bytes * 8), where, "\n");
  if (!has(value, "scheme:str entries:list") || value.scheme !== RULES.ledger_scheme) throw new Refusal(`${where} is of another scheme, or of none`);
  if (value.entries.some((entry) => !matches(SHA256_FORM, entry))) throw new Refusal(`${where}: an entry is no SHA-256`);
  const tree = new GrowingTree(), { previous } = place;
  value.entries.forEach((entry) => tree.add(fromHex(entry)));
  const sizes = [tree.size, previous.size, place.sequence];
  if (new Set(sizes).size > 1 || tree.root() !== previous.root) throw new Refusal(`${where} does not give the head that was signed`, tree.root(), previous.root);
  return value.entries;
}
