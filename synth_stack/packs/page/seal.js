// The files of a pack as the browser gives them, and what its signature says.
const KNOWN_FORM = new RegExp(`^(?:${RULES.known})$`);
const RECORDS_FORM = /^lineage\/records-[0-9]{5}\.jsonl\.gz$/;

function findNameFault(name) {
  const parts = name.split("/");
  if ([...name].length > RULES.max_name_chars) return `its name is longer than ${RULES.max_name_chars} characters`;
  if (parts.some((part) => ["", ".", ".."].includes(part))) return "its path leads out of the pack or through nothing";
  if (parts.some((part) => part.startsWith("."))) return "it is hidden";
  if (parts.some((part) => /^ | $|\.$/.test(part))) return "a name in it begins or ends with a space, or ends with a dot";
  if (/(?! )[\p{C}\p{Z}\\:]/u.test(name) || name.normalize("NFC") !== name) return "its name has a character that not every disk takes";
  if (!RULES.required.includes(name) && !KNOWN_FORM.test(name)) return "no part of a pack has that name";
  return null;
}

// Pairs of a path inside the folder that was chosen, and its File.
function listChosen(chosen) {
  return [...chosen].map((file) => [(file.webkitRelativePath || file.name).split("/").slice(1).join("/"), file]);
}

// The files of a folder: `files` maps paths inside it to File, and reads them.
class Folder {
  constructor() {
    this.files = new Map();
    this.faults = [];
    this.left = new Set();
  }

  get names() {
    return [...this.files.keys()].sort(comparePoints);
  }

  size(name) {
    return this.files.get(name)?.size;
  }

  async read(name, mostBytes) {
    const file = this.files.get(name);
    if (file === undefined) throw new Refusal(`${name} is missing`);
    if (file.size > mostBytes) throw new Refusal(`${name} is too large`, undefined, `at most ${mostBytes} bytes`);
    return new Uint8Array(await readPart(file, name));
  }

  async digest(name) {
    const file = this.files.get(name);
    if (file.size <= 64 * 1024 ** 2) return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", await readPart(file, name))));
    const hash = new Sha256();
    for (let at = 0; at < file.size; at += 2 ** 24) hash.update(new Uint8Array(await readPart(file.slice(at, at + 2 ** 24), name)));
    return toHex(hash.digest());
  }
}

// A pack: `faults` are what is wrong with its list of files.
class Pack extends Folder {
  constructor(entries) {
    super();
    if (entries.length > RULES.max_files) throw new Refusal(`the pack holds more than ${RULES.max_files} files`);
    for (const [name, file] of entries) {
      const top = name.split("/")[0];
      if (RULES.left_by_hub.includes(top)) {
        this.left.add(top);
        continue;
      }
      const fault = findNameFault(name);
      const deep = name.split("/").length - 1 > RULES.max_depth;
      if (deep) this.faults.push(new Refusal(`${printSafely(name)} does not belong into a pack: its folders are too deep`));
      else if (fault) this.faults.push(new Refusal(`${printSafely(name)} does not belong into a pack: ${fault}`));
      else this.files.set(name, file);
    }
    for (const name of RULES.required)
      if (!this.files.has(name)) this.faults.push(new Refusal(`${name} is missing`));
  }
}

async function readPart(blob, name) {
  try {
    return await blob.arrayBuffer();
  } catch (error) {
    throw new Refusal(`${name} cannot be read: ${error.name}`);
  }
}

const SPKI = {
  Ed25519: { start: fromHex("302a300506032b6570032100"), size: 44 },
  "ML-DSA-65": { start: fromHex("308207b2300b0609608648016503040312038207a100"), size: 1974 },
};

// A public key and its id, for a PEM text that is written as packs have it.
function readKey(pem, where, cosigns = false) {
  const found = /^-----BEGIN PUBLIC KEY-----\n((?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{1,64}={0,2}\n)-----END PUBLIC KEY-----\n$/.exec(pem);
  if (found === null) throw new Refusal(`${where} is no public key in PEM, or is not written as packs have it`);
  const text = found[1].replaceAll("\n", "");
  const der = decodeBase64(text, where);
  const kind = Object.keys(SPKI).find((name) => der.length === SPKI[name].size && equalBytes(der.subarray(0, SPKI[name].start.length), SPKI[name].start));
  if (kind === undefined || (kind !== "Ed25519" && !cosigns)) throw new Refusal(`${where}: the public key is of another kind`, undefined, "Ed25519");
  return { kind, der, id: toHex(sha256(der)) };
}

function decodeBase64(text, where) {
  let raw;
  try {
    raw = atob(text);
  } catch {
    throw new Refusal(`${where} is not a DSSE envelope: it is not base64`);
  }
  if (btoa(raw) !== text) throw new Refusal(`${where} is not a DSSE envelope: its base64 has spare bits`);
  return Uint8Array.from(raw, (char) => char.charCodeAt(0));
}

function openEnvelope(bytes, where, kind = RULES.payload_type) {
  const value = parseCanonical(bytes, where);
  if (!has(value, "payload:str payloadType:str signatures:list")) throw new Refusal(`${where} is not a DSSE envelope`);
  if (value.signatures.length !== 1 || !has(value.signatures[0], "keyid:str sig:str"))
    throw new Refusal(`${where} is not a DSSE envelope with exactly one signature`);
  if (value.payloadType !== kind) throw new Refusal(`${where} holds another payload type`, value.payloadType, kind);
  const [one] = value.signatures;
  return { payload: decodeBase64(value.payload, where), named: one.keyid, signature: decodeBase64(one.sig, where) };
}

// Refuses another signature than the key's over DSSE's encoding of the payload; false where the browser has no such key.
async function checkSignature(key, signature, payload, where, kind = RULES.payload_type) {
  let imported;
  try {
    imported = await crypto.subtle.importKey("spki", key.der, { name: key.kind }, true, ["verify"]);
  } catch (error) {
    if (error.name === "NotSupportedError") return false;
    throw new Refusal(`${where}: its public key is none`);
  }
  const start = encodeUtf8(`DSSEv1 ${encodeUtf8(kind).length} ${kind} ${payload.length} `);
  const signed = new Uint8Array(start.length + payload.length);
  signed.set(start);
  signed.set(payload, start.length);
  if (!await crypto.subtle.verify({ name: key.kind }, imported, signature, signed))
    throw new Refusal(`the signature in ${where} does not fit its statement`);
  return true;
}

function readStatement(payload) {
  const where = `the statement in ${RULES.statement}`, value = parseCanonical(payload, where);
  if (!has(value, "_type:str subject:list predicateType:str predicate:dict")) throw new Refusal(`${where} is not an in-toto statement`);
  if (value._type !== RULES.statement_type || value.predicateType !== RULES.predicate_type)
    throw new Refusal(`${where} is of another type`, value.predicateType, RULES.predicate_type);
  const subjects = new Map();
  let last = null;
  value.subject.forEach((subject, number) => {
    if (!has(subject, "name:str digest:dict") || !has(subject.digest, "sha256:str"))
      throw new Refusal(`${where}: subject ${number} is not a name with one SHA-256`);
    const { name, digest } = subject;
    if (subjects.has(name) || !SHA256_FORM.test(digest.sha256))
      throw new Refusal(`${where}: subject ${number} stands twice, or has no SHA-256`, name);
    if (last !== null && comparePoints(last, name) > 0) throw new Refusal(`${where}: its subjects are not in order`);
    subjects.set(last = name, digest.sha256);
  });
  return { subjects, predicate: value.predicate };
}

async function checkEnvelope(envelope, pem, keyId) {
  const key = readKey(pem, RULES.public_key);
  const { payload, named, signature } = openEnvelope(envelope, RULES.statement);
  if (named !== key.id) throw new Refusal(`${RULES.statement} was signed with another key`, named, key.id);
  if (!await checkSignature(key, signature, payload, RULES.statement))
    throw new Refusal("this browser cannot check signatures of Ed25519: take a newer one, or verify_pack.py");
  if (keyId && key.id !== keyId) throw new Refusal(`${RULES.public_key} is not the expected key`, key.id, keyId);
  return { statement: payload, keyId: key.id, ...readStatement(payload) };
}

async function openStatement(pack, keyId) {
  const envelope = await pack.read(RULES.statement, RULES.max_seal_bytes);
  const pem = decodeText(await pack.read(RULES.public_key, 4096));
  return checkEnvelope(envelope, pem, keyId);
}

const VERSION_FORM = new RegExp(`^(?:${RULES.version})$`);

const decodeText = (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

function checkPredicate(signed) {
  const said = signed.predicate, where = RULES.statement, odd = `${where} does not say what a pack's statement says`;
  if (said.scheme !== RULES.pack_scheme) throw new Refusal(`${where} is of another scheme`, said.scheme, RULES.pack_scheme);
  const strange = [...new Set([...Object.keys(said), ...RULES.predicate])]
    .filter((name) => Object.hasOwn(said, name) !== RULES.predicate.includes(name)).sort(comparePoints);
  if (strange.length) throw new Refusal(odd, strange[0]);
  const { tree } = said;
  if (!has(tree, "size:int root:str") || !SHA256_FORM.test(tree.root) || tree.size < 0) throw new Refusal(`${odd}: tree`, tree);
  for (const name of ["run", "recipe_sha256", "gates_sha256"])
    if (!matches(SHA256_FORM, said[name])) throw new Refusal(`${odd}: ${name}`, said[name]);
  if (!matches(VERSION_FORM, said.synth_stack)) throw new Refusal(`${where}: the version of synth_stack is none`, said.synth_stack);
  if (!["local", "sigstore"].includes(said.signature)) throw new Refusal(`${odd}: signature`, said.signature);
  if (!isObject(said.counts) || !isObject(said.bytes)) throw new Refusal(`${odd}: counts, bytes`);
  if (!Array.isArray(said.cosigners) || said.cosigners.some((each) => !matches(SHA256_FORM, each))) throw new Refusal(`${odd}: cosigners`);
  const ordered = [...new Set(said.cosigners)].filter((each) => each !== signed.keyId).sort();
  if (!equalValues(said.cosigners, ordered)) throw new Refusal(`${where}: its cosigners are not in order, or stand there twice`);
  if (signed.subjects.get(RULES.rows_subject) !== tree.root) throw new Refusal(`${where} names two different roots, or no rows`);
  for (const [name, file] of [["recipe_sha256", RULES.recipe], ["gates_sha256", RULES.gates]])
    if (signed.subjects.get(file) !== said[name]) throw new Refusal(`${where}: its ${name} is not that of ${file}`);
}

// How many signatures of further keys there are, and how many of them this browser could not check.
async function checkCosigners(pack, signed) {
  const promised = signed.predicate.cosigners, where = RULES.cosignatures;
  if (!promised.length && !pack.files.has(where)) return { count: 0, unchecked: 0 };
  const value = parseCanonical(await pack.read(where, RULES.max_cosignatures_bytes), where, "\n");
  if (!has(value, "scheme:str signatures:list") || value.scheme !== RULES.cosignatures_scheme) throw new Refusal(`${where} is of another scheme, or of none`);
  if (!value.signatures.length || value.signatures.some((each) => !has(each, "public_key:str sig:str"))) throw new Refusal(`${where}: a signature is none`);
  const found = [];
  let unchecked = 0;
  for (const each of value.signatures) {
    const key = readKey(each.public_key, where, true);
    if (!await checkSignature(key, decodeBase64(each.sig, where), signed.statement, where)) unchecked++;
    found.push(key.id);
  }
  if (!equalValues(found, [...new Set(found)].filter((id) => id !== signed.keyId).sort())) throw new Refusal(`${where}: its keys are not in order, or one stands there twice`);
  const missing = promised.filter((id) => !found.includes(id)).sort()[0];
  if (missing) throw new Refusal(`${where} lacks a signature that ${RULES.statement} names`, undefined, missing);
  return { count: found.length, unchecked };
}

function readRule(predicate) {
  const { rule, gates } = predicate, where = RULES.statement, known = new Map();
  if (!has(rule, "scheme:str order:list overriding:list precedence:list") || !Array.isArray(gates)) throw new Refusal(`${where}: its rule is none`);
  gates.forEach((gate, place) => {
    if (!has(gate, "gate:str all:bool canaries:int dials:list")) throw new Refusal(`${where}: gate ${place} is not described as one`);
    const dials = gate.dials.map((dial) => readDial(dial, `${where}: a dial of ${gate.gate}`)).filter((dial) => dial.strict);
    known.set(gate.gate, { seesAll: gate.all, dials, planted: gate.canaries });
  });
  if (rule.scheme !== RULES.rule_scheme || !equalValues(rule.precedence, RULES.precedence))
    throw new Refusal(`${where}: its rule is another`, rule.scheme, RULES.rule_scheme);
  if (!equalValues(rule.overriding, RULES.overriding)) throw new Refusal(`${where}: its rule lets others than people override gates`, rule.overriding, "review");
  const names = [...rule.order, ...rule.overriding];
  if (names.some((name) => typeof name !== "string") || new Set(names).size !== names.length || !equalValues(rule.order, [...known.keys()]))
    throw new Refusal(`${where}: its rule is not that of its gates, in the order of work`, rule.order, [...known.keys()].join(", "));
  const places = new Map([...rule.overriding, ...rule.order].map((name, place) => [name, place]));
  return { order: rule.order, overriding: rule.overriding, gates: known, places };
}

function readDial(dial, what) {
  const shaped = has(dial, "rejects:str threshold:str action:str classes:list strict:bool")
    && [">", ">=", "<"].includes(dial.rejects) && isDecimal(dial.threshold) && dial.classes.every((name) => typeof name === "string");
  if (!shaped) throw new Refusal(`${what} is not described as one`);
  return { ...dial, threshold: Number(dial.threshold), classes: new Set(dial.classes) };
}

const isCrossed = (dial, score) => dial.rejects === "<" ? score < dial.threshold
  : score > dial.threshold || (dial.rejects === ">=" && score === dial.threshold);

async function readManifest(pack) {
  const where = RULES.manifest, value = parseCanonical(await pack.read(where, RULES.max_seal_bytes), where, "\n");
  if (!has(value, "scheme:str facts:dict files:dict")) throw new Refusal(`${where} is not a list of files with facts`);
  if (value.scheme !== RULES.manifest_scheme) throw new Refusal(`${where} has another scheme`, value.scheme, RULES.manifest_scheme);
  for (const [name, entry] of Object.entries(value.files))
    if (!has(entry, "sha256:str bytes:int") || !SHA256_FORM.test(entry.sha256) || entry.bytes < 0)
      throw new Refusal(`${where}: ${shorten(name)} is not listed with a SHA-256 and its bytes`);
  return value;
}

function buildFacts(said) {
  return {
    scheme: said.scheme, run: said.run, root: said.tree.root, generated: said.counts.generated ?? null,
    accepted: said.counts.accepted ?? null, withdrawn: said.withdrawn,
  };
}

// What is wrong with names and bytes, before a byte is hashed: against the manifest, and against what was signed.
function compareSizes(pack, listed, signed) {
  const names = [...new Set([...pack.names, ...Object.keys(listed), ...Object.keys(signed)])].filter((name) => name !== RULES.manifest);
  return names.sort(comparePoints).map((name) => findSizeFault(name, pack.size(name), listed[name], signed[name])).filter(Boolean);
}

function findSizeFault(name, size, entry, vouched) {
  const unsigned = RULES.unsigned.includes(name);
  if (size === undefined) {
    if (vouched !== undefined || unsigned) return new Refusal(`${name} is missing`);
    return new Refusal(`${RULES.manifest} lists a file that was never part of the pack`, name);
  }
  if (entry === undefined || entry.bytes !== size) {
    if (vouched === size) return new Refusal(`${RULES.manifest} does not list ${name} as it was signed`);
    if (entry === undefined) return new Refusal(`${name} was added: ${RULES.manifest} does not list it`);
    return new Refusal(`${name} was changed: it is not the file that ${RULES.manifest} lists`, `${size} bytes`, `${entry.bytes} bytes`);
  }
  if (vouched === size || unsigned) return null;
  if (vouched === undefined) return new Refusal(`${name} was added: ${RULES.statement} does not list it`);
  return new Refusal(`${name} was changed: it is not the file that ${RULES.statement} lists`, `${size} bytes`, `${vouched} bytes`);
}

async function compareDigests(pack, manifest, signed, tell, subject = RULES.rows_subject, facts = buildFacts) {
  const found = [];
  for (const name of signed.subjects.keys())
    if (name !== subject && !pack.files.has(name)) found.push(new Refusal(`${name} is missing`));
  for (const name of pack.names) {
    if (name === RULES.manifest) continue;
    await tell(`Comparing ${name}`);
    const digest = await pack.digest(name);
    if (!RULES.unsigned.includes(name) && signed.subjects.get(name) !== digest)
      found.push(new Refusal(`${name} was changed: it is not the file that ${RULES.statement} lists`, `SHA-256 ${digest}`));
    else if (manifest.files[name].sha256 !== digest) found.push(new Refusal(`${RULES.manifest} does not list ${name} as it was signed`));
  }
  if (!found.length && !equalValues(manifest.facts, facts(signed.predicate)))
    found.push(new Refusal(`${RULES.manifest}: its facts are not those that were signed`));
  return found;
}
