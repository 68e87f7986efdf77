// Every check that needs no Parquet reader, of a folder that was chosen; and one row of it alone.
const LOCAL_NOTE = "signed with a local key: proves integrity, not who signed; give the key id that the publisher named";
const BROWSER_NOTE = "a browser shows no links, devices or empty folders: verify_pack.py looks for these too";

// What the checks of a folder gave. `identity` says whether an identity signed, and that it was not checked.
const newFindings = () => ({
  problems: [], passed: [], notes: [], root: null, keyId: null, keyChecked: false, counts: null, place: null,
  identity: "not checked: no signature could be read",
});

async function inspectChosen(chosen, keyId, tell) {
  const found = newFindings();
  try {
    const entries = listChosen(chosen);
    if (isMixture(entries)) await inspectMixture(found, new Mixture(entries), keyId, tell);
    else await inspectPack(found, new Pack(entries), keyId, tell);
    found.notes.push(BROWSER_NOTE);
    if (!keyId && found.root) found.notes.push(LOCAL_NOTE);
  } catch (error) {
    found.problems.push(toRefusal(error));
  }
  return found;
}

function toRefusal(error) {
  if (error instanceof Refusal) return error;
  return new Refusal(`the pack cannot be checked: ${error.name}: ${error.message}`);
}

function keepSignature(found, signed, root, keyId, hasBundle) {
  Object.assign(found, { root, keyId: signed.keyId, keyChecked: Boolean(keyId), identity: describeIdentity(hasBundle) });
}

const describeIdentity = (hasBundle) => hasBundle ? RULES.identity_not_checked : RULES.no_identity;

// The checks of one pack; `see` is shown the records of the rows in data/. Gives what the signature says and what was withdrawn.
async function inspectPack(found, pack, keyId, tell, see = () => {}) {
  found.problems.push(...pack.faults);
  found.notes.push(...[...pack.left].map((name) => `${name} was left by the Hub and is no part of the pack`));
  if (found.problems.length) return null;
  const signed = await openSigned(pack, keyId, found.notes);
  const { predicate: said } = signed;
  keepSignature(found, signed, said.tree.root, keyId, said.signature === "sigstore");
  found.place = said.ledger;
  if ((said.signature === "sigstore") !== pack.files.has(RULES.bundle)) throw new Refusal(`${RULES.bundle} does not belong to a pack signed with a key alone, or is missing`);
  const manifest = await readManifest(pack);
  found.problems.push(...compareSizes(pack, manifest.files, said.bytes));
  if (!found.problems.length) found.problems.push(...await compareDigests(pack, manifest, signed, tell));
  if (found.problems.length) return null;
  found.passed.push([pack.files.size, "files"]);
  const rule = readRule(said), withdrawn = await checkWithdrawn(pack, signed);
  const counts = await readRecords(pack, signed, new RecordCounts(rule, withdrawn, see), tell);
  const counted = counts.toJson(await readSelfTests(pack, rule, counts.countJudged()));
  for (const name of [...new Set([...Object.keys(counted), ...Object.keys(said.counts)])].sort(comparePoints))
    if (!equalValues(counted[name], said.counts[name]))
      throw new Refusal(`${RULES.statement}: its counts.${name} is not what the records give`, quote(said.counts[name]), shorten(quote(counted[name])));
  const previous = await checkLedger(pack, said.ledger);
  found.counts = counted;
  found.passed.push([counts.total, "lineage records"], [counts.total, "decisions"]);
  if (signed.cosigners) found.passed.push([signed.cosigners, "further signatures"]);
  if (withdrawn.size) found.passed.push([withdrawn.size, "withdrawn rows"]);
  found.notes.push(RULES.parquet_note);
  return { signed, withdrawn, previous };
}

async function openSigned(pack, keyId, notes, check = checkPredicate) {
  const signed = await openStatement(pack, keyId);
  check(signed);
  const { count, unchecked } = await checkCosigners(pack, signed);
  signed.cosigners = count - unchecked;
  if (unchecked) notes.push(`${unchecked} of the signatures in ${RULES.cosignatures} were not checked: this browser has no ML-DSA; verify_pack.py checks them`);
  return signed;
}

// Checks every record of a pack, against the tree, its tiles and its index, and counts it.
async function readRecords(pack, signed, counts, tell) {
  const { tree: { size, root }, gates_sha256: gates, recipe_sha256: recipe } = signed.predicate;
  const { rule } = counts, seen = new Set(), entries = [], wanted = size * RULES.index_bytes;
  let twice;
  if (pack.size(RULES.index) !== wanted) throw new Refusal(`${RULES.index} is not of the length that its leaves give`, pack.size(RULES.index) ?? 0, `${wanted} bytes`);
  const tiles = await StoredTiles.open(pack, size), tree = new GrowingTree((level, node) => tiles.compare(level, node));
  for (const name of listRecords(pack))
    for await (const line of readLines(pack, name)) {
      const where = `${name}: record ${tree.size}`;
      if (tree.size >= size) throw new Refusal(`${where} stands after the end of the signed tree`);
      const record = parseRecord(line, where);
      tree.add(leafHash(line));
      if (seen.has(record.row_id)) twice ??= record.row_id;
      seen.add(record.row_id);
      const place = (tree.size - 1).toString(16).padStart(2 * (RULES.index_bytes - RULES.prefix_bytes), "0");
      entries.push(record.row_id.slice(0, 2 * RULES.prefix_bytes) + place);
      if (record.context.gates_sha256 !== gates || record.context.recipe_sha256 !== recipe) throw new Refusal(`${where} was recorded for another recipe or gate file`);
      const fault = findDecisionFault(record, rule);
      if (fault) throw new Refusal(`${name}: ${fault.what}`, fault.seen, fault.allowed);
      counts.add(record);
      if (tree.size % 1000 === 0) await tell(`Reading records: ${tree.size.toLocaleString("en")} of ${size.toLocaleString("en")}`);
    }
  if (tree.size !== size || tree.root() !== root) throw new Refusal("the lineage records are not those that were signed", tree.size, `${size} records`);
  if (twice) throw new Refusal(`row ${twice} stands in the lineage twice`);
  await compareIndex(pack, entries.sort());
  counts.requireReplacements();
  return counts;
}

async function compareIndex(pack, entries) {
  const stored = await pack.read(RULES.index, 2 ** 31), long = RULES.index_bytes;
  for (const [number, entry] of entries.entries())
    if (toHex(stored.subarray(number * long, (number + 1) * long)) !== entry) throw new Refusal(`${RULES.index}: entry ${number} is not what the records give`);
}

class MissingRow extends Refusal {}

// Pairs of a name and a text that say what is proved of one row; of a mixture by the pack that has it.
async function proveChosen(chosen, wanted, keyId) {
  if (!/^[0-9a-f]{8,32}$/.test(wanted)) throw new Refusal("that is not a row id", wanted, "its 32 hexadecimal characters, or the first 8 or more of them");
  const entries = listChosen(chosen);
  const proof = isMixture(entries) ? await proveMixed(new Mixture(entries), wanted, keyId) : await proveRow(new Pack(entries), wanted, keyId);
  return [
    ...proof.lines,
    ["root", proof.signed.predicate.tree.root],
    ["key id", proof.signed.keyId + (keyId ? ", which was expected" : "")],
    ["identity", describeIdentity(proof.signed.predicate.signature === "sigstore")],
    ...(keyId ? [] : [["note", LOCAL_NOTE]]),
    ["record", decodeText(proof.line)],
  ];
}

// The same from its record, the leaves and the signature of one pack.
async function proveRow(pack, wanted, keyId) {
  const notes = [];
  if (pack.faults.length) throw pack.faults[0];
  const signed = await openSigned(pack, keyId, notes), { tree: { size, root } } = signed.predicate, rule = readRule(signed.predicate);
  const found = [], needle = `"row_id":"${wanted}`;
  let number = 0;
  for (const name of listRecords(pack))
    for await (const line of readLines(pack, name)) {
      if (number >= size) throw new Refusal(`${name} holds more records than were signed`, undefined, `${size}`);
      if (decodeText(line).includes(needle) && JSON.parse(decodeText(line)).row_id?.startsWith(wanted)) found.push([number, line.slice()]);
      number++;
    }
  if (found.length !== 1) throw found.length ? new Refusal("several rows begin with that id", wanted) : new MissingRow("the pack has no row of that id", wanted);
  const [[index, line]] = found, record = parseRecord(line, `the record of row ${wanted}`);
  const leaves = await pack.read(`${RULES.tiles}/0.bin`, size * HASH_BYTES), tree = new GrowingTree();
  for (let at = 0; at < leaves.length; at += HASH_BYTES) tree.add(leaves.subarray(at, at + HASH_BYTES));
  const leaf = leaves.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
  if (tree.size !== size || tree.root() !== root || !equalBytes(leaf, leafHash(line))) throw new Refusal(`the record of row ${record.row_id} is not leaf ${index} of the signed tree`);
  const fault = findDecisionFault(record, rule);
  if (fault) throw fault;
  const withdrawn = await checkWithdrawn(pack, signed), { decision } = record;
  if (withdrawn.has(record.row_id)) notes.push("accepted then, and withdrawn since");
  const lines = [
    ["row", record.row_id],
    ["decision", decision.decision + (decision.gate ? ` by ${decision.gate}: ${decision.reason}` : "")],
    ["proved", `record: leaf ${index} of ${size}`],
    ...notes.map((note) => ["note", note]),
  ];
  return { lines, signed, line };
}
