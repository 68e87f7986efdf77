// A mixture of packs: every pack in it, and what its statement says of them together.
const isMixture = (entries) => entries.some(([name]) => name.startsWith(`${RULES.sources}/`));

// The files beside the packs and those in them; `packs` maps the folder of each to its files.
class Mixture extends Folder {
  constructor(entries) {
    super();
    if (entries.length > RULES.max_files) throw new Refusal(`the mixture holds more than ${RULES.max_files} files`);
    const inner = new Map(), strange = new Set(), folders = RULES.mixture_known.filter((name) => name.includes("/")).map((name) => name.split("/")[0]);
    for (const [name, file] of entries) {
      const [top, number, ...rest] = name.split("/");
      if (RULES.left_by_hub.includes(top)) this.left.add(top);
      else if (top === RULES.sources && /^[0-9]{2}$/.test(number) && rest.length) inner.set(`${top}/${number}`, [...(inner.get(`${top}/${number}`) ?? []), [rest.join("/"), file]]);
      else if (RULES.mixture_known.includes(name)) this.files.set(name, file);
      else strange.add([RULES.sources, ...folders].includes(top) && number !== undefined ? `${top}/${number}` : top);
    }
    const sources = [...inner.keys()].sort(comparePoints), numbered = sources.map((_, number) => `${RULES.sources}/${String(number).padStart(2, "0")}`);
    for (const name of [...strange].sort(comparePoints)) this.faults.push(new Refusal(`${printSafely(name)} does not belong into a mixture of packs`));
    if (!equalValues(sources, numbered) || sources.length < 2)
      this.faults.push(new Refusal(`${RULES.sources}/ is not numbered from 00 without a gap, or holds fewer than two packs`, sources.join(", ")));
    this.packs = new Map(sources.map((source) => [source, new Pack(inner.get(source))]));
    for (const [source, pack] of this.packs) {
      this.faults.push(...pack.faults.map((fault) => new Refusal(`${source}: ${fault.tell()}`)));
      for (const [name, file] of pack.files) this.files.set(`${source}/${name}`, file);
    }
    for (const name of RULES.mixture_files)
      if (!this.files.has(name)) this.faults.push(new Refusal(`${name} is missing`));
  }
}

function checkMixture(signed) {
  const said = signed.predicate, where = RULES.statement, odd = `${where} does not say what a mixture's statement says`;
  if (said.scheme !== RULES.mixture_scheme) throw new Refusal(`${where} is of another scheme`, said.scheme, RULES.mixture_scheme);
  const kinds = { tree: "dict", packs: "list", counts: "dict", cosigners: "list", bytes: "dict", synth_stack: "str", name: "str" };
  const wrong = Object.keys(kinds).filter((name) => !Object.hasOwn(said, name) || !KINDS_OF_VALUE[kinds[name]](said[name]));
  const keys = [...new Set([...Object.keys(said), ...RULES.mixture_predicate])];
  wrong.push(...keys.filter((name) => Object.hasOwn(said, name) !== RULES.mixture_predicate.includes(name)).sort(comparePoints));
  if (wrong.length || !has(said.counts, "rows:int synthetic:int slices:list")) throw new Refusal(`${odd}: ${[...wrong, "counts"][0]}`);
  const { tree, cosigners, packs, purpose } = said;
  if (!has(tree, "size:int root:str") || !SHA256_FORM.test(tree.root)) throw new Refusal(`${odd}: tree`, tree);
  if (cosigners.some((each) => !matches(SHA256_FORM, each))) throw new Refusal(`${odd}: cosigners`);
  if (!equalValues(cosigners, [...new Set(cosigners)].filter((id) => id !== signed.keyId).sort())) throw new Refusal(`${where}: its cosigners are not in order, or stand there twice`);
  if (signed.subjects.get(RULES.packs_subject) !== tree.root) throw new Refusal(`${where} names two different roots, or none`);
  if (packs.some((each) => !isObject(each) || !["statement", "root", "key_id"].every((name) => matches(SHA256_FORM, each[name])))) throw new Refusal(`${odd}: packs`);
  const grown = new GrowingTree();
  packs.forEach((each) => grown.add(fromHex(each.statement)));
  if (tree.size !== grown.size || tree.root !== grown.root()) throw new Refusal(`${where}: its tree is not that of the statements of its packs`, tree.root);
  if (purpose !== null && !RULES.purposes.includes(purpose)) throw new Refusal(`${where}: its purpose is none that there is`, purpose, RULES.purposes.join(", "));
}

const buildMixtureFacts = (said) => ({ scheme: said.scheme, root: said.tree.root, packs: said.packs.length, accepted: said.counts.rows });

async function inspectMixture(found, mixture, keyId, tell) {
  found.problems.push(...mixture.faults);
  found.notes.push(...[...mixture.left].map((name) => `${name} was left by the Hub and is no part of the mixture`));
  if (found.problems.length) return;
  const signed = await openSigned(mixture, keyId, found.notes, checkMixture), { predicate: said } = signed;
  keepSignature(found, signed, said.tree.root, keyId, false);
  found.place = said.ledger;
  const manifest = await readManifest(mixture);
  found.problems.push(...compareSizes(mixture, manifest.files, said.bytes));
  if (!found.problems.length) found.problems.push(...await compareDigests(mixture, manifest, signed, tell, RULES.packs_subject, buildMixtureFacts));
  if (found.problems.length) return;
  await checkLedger(mixture, said.ledger);
  const rows = new MixedRows(), packs = [];
  for (const [folder, pack] of mixture.packs) {
    const inner = newFindings();
    rows.beginPack();
    try {
      const checked = await inspectPack(inner, pack, "", tell, (record) => rows.add(record));
      if (checked) packs.push({ folder, pack, ...checked });
    } catch (error) {
      inner.problems.push(toRefusal(error));
    }
    found.problems.push(...inner.problems.map((problem) => new Refusal(`${folder}: ${problem.tell()}`)));
  }
  if (found.problems.length) return;
  found.problems.push(...[findClash(packs, rows) ?? await findWithdrawnElsewhere(packs) ?? []].flat());
  if (!found.problems.length) found.problems.push(...await compareTold(packs, rows, said));
  found.passed.push([mixture.files.size, "files"], [packs.length, "packs"], [rows.toJson().rows, "accepted rows"]);
  if (signed.cosigners) found.passed.push([signed.cosigners, "further signatures"]);
  found.notes.push(RULES.parquet_note, RULES.mixed_keys_note);
  for (const { folder, signed: { predicate } } of packs)
    if (predicate.signature === "sigstore") found.notes.push(`the identity in ${folder}/${RULES.bundle} was not checked: verify ${folder} alone with --identity`);
}

// What the accepted rows of several packs add up to, pack by pack; and whether one stands in two.
class MixedRows {
  constructor() {
    Object.assign(this, { met: new Map(), slices: new Map(), packs: [], clash: null });
  }

  beginPack() {
    this.packs.push({ rows: 0, synthetic: 0 });
  }

  add(record) {
    const number = this.packs.length - 1, made = isSynthetic(record.origin) ? 1 : 0;
    const share = this.slices.get(record.slice) ?? { rows: 0, synthetic: 0 };
    this.slices.set(record.slice, share);
    for (const each of [this.packs[number], share]) {
      each.rows++;
      each.synthetic += made;
    }
    const other = this.met.get(record.row_id);
    if (other === undefined) this.met.set(record.row_id, number);
    else if (other !== number) this.clash ??= [record.row_id, other, number];
  }

  toJson() {
    const slices = [...this.slices].map(([slice, share]) => ({ slice, ...share }));
    slices.sort((a, b) => b.rows - a.rows || (a.slice === null) - (b.slice === null) || comparePoints(a.slice ?? "", b.slice ?? ""));
    const sum = (name) => this.packs.reduce((total, pack) => total + pack[name], 0);
    return { rows: sum("rows"), synthetic: sum("synthetic"), slices };
  }
}

function isSynthetic(origin) {
  const writers = (origin.models ?? []).filter((model) => !RULES.judging_parts.includes(model.part));
  return origin.generator !== RULES.foreign || origin.teacher !== null || writers.length > 0;
}

const statementHash = ({ signed }) => toHex(leafHash(signed.statement));

function findClash(packs, rows) {
  const met = new Map();
  for (const each of packs) {
    const leaf = statementHash(each);
    if (met.has(leaf)) return new Refusal(`${each.folder} is the same pack as ${met.get(leaf)}`);
    met.set(leaf, each.folder);
  }
  if (rows.clash) {
    const [row, first, second] = rows.clash;
    return new Refusal(`row ${row} stands in two packs: ${packs[first].folder} and ${packs[second].folder}`);
  }
  return findFork(packs);
}

// Two packs by one key that stand in one ledger, which its key and first batch tell, and disagree on its batches.
function findFork(packs) {
  const chains = packs.filter((each) => each.previous).map((each) => ({ folder: each.folder, key: each.signed.keyId, leaves: [...each.previous, statementHash(each)] }));
  chains.sort((a, b) => b.leaves.length - a.leaves.length || comparePoints(a.folder, b.folder));
  const ledgers = new Map();
  for (const chain of chains) {
    const ledger = `${chain.key} ${chain.leaves[0]}`, longest = ledgers.get(ledger) ?? chain;
    ledgers.set(ledger, longest);
    if (chain.leaves.some((leaf, number) => longest.leaves[number] !== leaf)) {
      const [first, second] = [longest.folder, chain.folder].sort(comparePoints);
      return new Refusal(`${first} and ${second} are of two forks of one ledger: they disagree on its batches`, `batches ${longest.leaves.length - 1} and ${chain.leaves.length - 1}`);
    }
  }
  return null;
}

async function* eachRecord(pack) {
  for (const name of listRecords(pack))
    for await (const line of readLines(pack, name)) yield parseRecord(line, name);
}

// Rows that the list in one pack withdraws, or what they came from, and another still has.
async function findWithdrawnElsewhere(packs) {
  for (const { folder, withdrawn } of packs) {
    if (!withdrawn.tombstones.length) continue;
    const found = new Withdrawal(withdrawn.tombstones);
    for (const other of packs) for await (const record of eachRecord(other.pack)) found.add(record);
    const wanted = found.findAccepted();
    for (const other of packs) {
      const left = [];
      for await (const { row_id: row } of eachRecord(other.pack)) if (wanted.has(row) && !other.withdrawn.has(row)) left.push(row);
      if (left.length) return new Refusal(`${other.folder}: row ${left.sort()[0]} is withdrawn by ${folder}/${RULES.revoked}`);
    }
  }
  return null;
}

// What the statement of a mixture says otherwise than its packs give.
async function compareTold(packs, rows, said) {
  const entries = [];
  for (const [number, each] of packs.entries()) {
    const told = await readDisclosure(each.pack, each.folder), { predicate } = each.signed;
    const fault = findForbidden(each.folder, told, said.purpose);
    if (fault) return [fault];
    entries.push({
      folder: each.folder, name: told.name, statement: statementHash(each), run: predicate.run, root: predicate.tree.root,
      key_id: each.signed.keyId, rows: rows.packs[number].rows, synthetic: rows.packs[number].synthetic, licenses: told.licenses, output_terms: told.output_terms,
    });
  }
  const expected = { packs: entries, counts: rows.toJson() };
  return Object.keys(expected).filter((key) => !equalValues(said[key], expected[key]))
    .map((key) => new Refusal(`${RULES.statement}: its ${key} is not what the packs give`, said[key], quote(expected[key])));
}

// What croissant.json of a pack says: its name, licences, models, and the terms of those that have some.
async function readDisclosure(pack, where) {
  const name = `${where}/${RULES.croissant}`, bytes = await pack.read(RULES.croissant, RULES.max_measures_bytes);
  let value;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new Refusal(`${name} is not JSON: ${error.message}`);
  }
  try {
    return {
      name: value.name,
      licenses: [...(value.license ?? [])],
      models: (value["prov:wasGeneratedBy"]["prov:wasAssociatedWith"] ?? []).map((each) => each["prov:label"]),
      output_terms: (value.usageInfo ?? []).map((each) => ({
        model: each.name.startsWith(RULES.terms_of) ? each.name.slice(RULES.terms_of.length) : each.name,
        output: each.description, license: each.license,
      })),
    };
  } catch (error) {
    throw new Refusal(`${name} does not say what a pack's says: ${error.message}`);
  }
}

function findForbidden(folder, told, purpose) {
  if (purpose === null) return null;
  const allowed = RULES.terms.slice(RULES.purposes.indexOf(purpose)), left = new Map();
  for (const { model } of told.output_terms) left.set(model, (left.get(model) ?? 0) + 1);
  for (const model of told.models) left.set(model, (left.get(model) ?? 0) - 1);
  const undeclared = [...left.keys()].filter((model) => left.get(model) < 0).sort(comparePoints);
  for (const { model, output } of [...undeclared.map((name) => ({ model: name, output: "undeclared" })), ...told.output_terms])
    if (!allowed.includes(output)) return new Refusal(`${folder}: the terms of ${model} do not allow this purpose: ${purpose}`, output, allowed.join(", "));
  return null;
}

async function proveMixed(mixture, wanted, keyId) {
  if (mixture.faults.length) throw mixture.faults[0];
  const notes = [], signed = await openSigned(mixture, keyId, notes, checkMixture), found = [];
  for (const [folder, pack] of mixture.packs) {
    let proof;
    try {
      proof = await proveRow(pack, wanted, "");
    } catch (error) {
      if (error instanceof MissingRow) continue;
      throw new Refusal(`${folder}: ${toRefusal(error).tell()}`);
    }
    const name = `${folder}/${RULES.statement}`, { predicate } = proof.signed;
    if (signed.subjects.get(name) !== await mixture.digest(name)) throw new Refusal(`${name} is not the one that the mixture signs`);
    const bundle = predicate.signature === "sigstore" ? [["note", `the identity in ${folder}/${RULES.bundle} was not checked: verify ${folder} alone with --identity`]] : [];
    found.push({ ...proof, lines: [...proof.lines, ["pack", `${folder}, with the root ${predicate.tree.root} and the key ${proof.signed.keyId}`], ...bundle] });
  }
  if (found.length !== 1) throw new MissingRow(found.length ? "several rows begin with that id" : "no pack has a row of that id", wanted);
  return { ...found[0], lines: [...found[0].lines, ...notes.map((note) => ["note", note])], signed };
}
