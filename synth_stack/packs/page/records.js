// The records of a pack: what their bytes alone allow, the decisions that their verdicts give, and the counts.
const words = (text) => text.split(" ");
const RECORD_KEYS = words("scheme row_id row_sha256 kind slice locale failure origin verdicts decision context");
const VERDICT_KEYS = words("gate outcome score threshold reason reason_class cites evidence_sha256 scope");
const DECISION_KEYS = words("decision gate reason reason_class replaced_by");
const ORIGIN_KINDS = {
  ...Object.fromEntries(words("source_id seed_id parent_id teacher teacher_digest template_id params").map((name) => [name, isText])),
  generator: KINDS_OF_VALUE.str, generator_version: KINDS_OF_VALUE.str,
  models: (value) => value === null || Array.isArray(value),
  draw: isInt, rng_seed: (value) => value === null || isInt(value), replayable: KINDS_OF_VALUE.bool,
};
const REASON_CLASS_FORM = /^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_]*)+$/;

const hasKeys = (value, keys) => isObject(value) && Object.keys(value).length === keys.length && keys.every((key) => Object.hasOwn(value, key));
const hasTexts = (value, keys) => hasKeys(value, keys) && Object.values(value).every(isText);
const isClass = (value) => value === null || matches(REASON_CLASS_FORM, value);

function parseRecord(bytes, where) {
  const record = parseCanonical(bytes, where), fault = findRecordFault(record);
  if (fault) throw new Refusal(`${where}: ${fault}`);
  return record;
}

function findRecordFault(record) {
  if (!hasKeys(record, RECORD_KEYS)) return "it does not have the keys of a record";
  if (record.scheme !== RULES.record_scheme || ![record.slice, record.locale, record.failure].every(isText)) return "it is no record of this scheme";
  if (!RULES.kinds.includes(record.kind)) return `its kind is none that there is: ${shorten(record.kind)}`;
  if (!matches(SHA256_FORM, record.row_sha256) || record.row_id !== record.row_sha256.slice(0, 32)) return "row_id does not begin row_sha256";
  const { origin, context } = record;
  if (!hasKeys(origin, Object.keys(ORIGIN_KINDS))) return "its origin does not have the keys of one";
  const odd = Object.keys(ORIGIN_KINDS).find((name) => !ORIGIN_KINDS[name](origin[name]));
  if (odd) return `its ${odd} is of another type`;
  if ((origin.models || []).some((model) => !hasTexts(model, ["part", "name", "digest"]))) return "its models are none";
  if (!hasTexts(context, ["gates_sha256", "recipe_sha256"])) return "its context does not have the keys of one";
  if ([origin.parent_id, origin.seed_id, origin.source_id].includes(record.row_id)) return "its row came from itself";
  if (!Array.isArray(record.verdicts)) return "its verdicts are no list";
  for (const verdict of record.verdicts) {
    const fault = findVerdictFault(verdict, record.row_id);
    if (fault) return fault;
  }
  return findShapeFault(record.decision);
}

function findVerdictFault(verdict, row) {
  if (!hasKeys(verdict, VERDICT_KEYS)) return "a verdict does not have the keys of one";
  if (typeof verdict.gate !== "string" || !isText(verdict.reason)) return "a verdict names no gate, or its reason is no text";
  if (!RULES.outcomes.includes(verdict.outcome) || !RULES.scopes.includes(verdict.scope))
    return `a verdict has an unknown word: ${shorten(quote([verdict.outcome, verdict.scope]))}`;
  for (const name of ["score", "threshold"])
    if (verdict[name] !== null && !isDecimal(verdict[name])) return `a ${name} is not a shortest decimal`;
  if (!isClass(verdict.reason_class)) return "a reason_class is none";
  if (verdict.evidence_sha256 !== null && !matches(SHA256_FORM, verdict.evidence_sha256)) return "the digest of an evidence is none";
  const { cites } = verdict;
  if (cites === null) return null;
  const sound = isObject(cites) && Object.keys(cites).length && Object.keys(cites).every((key) => RULES.cited.includes(key))
    && Object.values(cites).every(KINDS_OF_VALUE.str);
  if (!sound) return "a verdict cites nothing, or what no verdict cites";
  if (verdict.evidence_sha256 === null) return "a verdict cites something without evidence";
  if ([cites.twin, cites.replaced_by].includes(row)) return "a verdict names its own row as another";
  return "replaced_by" in cites && verdict.outcome !== "reject" ? "a verdict names a row in the place of one that it does not reject" : null;
}

function findShapeFault(decision) {
  if (!hasKeys(decision, DECISION_KEYS) || !RULES.decisions.includes(decision.decision)) return "its decision is none";
  if (!isText(decision.gate) || !isText(decision.reason)) return "its decision is none";
  if (!isClass(decision.reason_class)) return "the reason_class of its decision is none";
  return decision.replaced_by === null || matches(ROW_ID_FORM, decision.replaced_by) ? null : "its replaced_by is no row id";
}

function decideRecord(record, rule) {
  let best = null, told = null;
  for (const verdict of record.verdicts) {
    const place = rule.places.get(verdict.gate), overrides = rule.overriding.includes(verdict.gate);
    if (place === undefined || verdict.outcome === "abstain" || (verdict.outcome === "accept" && !overrides)) continue;
    const weight = { reject: overrides ? 0 : 1, accept: 3, hold: 4 }[verdict.outcome];
    if (best === null || weight < best[0] || (weight === best[0] && place < best[1])) [best, told] = [[weight, place], verdict];
  }
  const decision = (name, gate = null, reason = null, reasonClass = null, replacedBy = null) =>
    ({ decision: name, gate, reason, reason_class: reasonClass, replaced_by: replacedBy });
  if (record.failure !== null && (best === null || best[0] > 2)) {
    const maker = record.kind === "foreign" ? "reader" : "generator";
    return decision("rejected", maker, record.failure, `${maker}.failure`);
  }
  if (best === null || best[0] === 3) return decision("accepted");
  if (best[0] === 4) return decision("held", told.gate, told.reason, told.reason_class);
  return decision("rejected", told.gate, told.reason, told.reason_class, told.cites?.replaced_by ?? null);
}

// What verdicts and decision say against the gates and against each other.
function findDecisionFault(record, rule) {
  const fault = findOrderFault(record, rule);
  if (fault) return fault;
  for (const verdict of record.verdicts) {
    const gate = rule.gates.get(verdict.gate), found = gate && findDialFault(verdict, gate, record.row_id);
    if (found) return found;
  }
  const given = decideRecord(record, rule);
  const name = DECISION_KEYS.find((key) => given[key] !== record.decision[key]);
  return name && new Refusal(`the ${name} of row ${record.row_id} is not what its verdicts give`, quote(record.decision[name]), quote(given[name]));
}

function findOrderFault(record, rule) {
  const { row_id: row, verdicts: said } = record;
  let position = 0, gone = false;
  for (const name of rule.order) {
    const { seesAll } = rule.gates.get(name);
    const first = said[position]?.gate === name ? said[position] : null;
    if (first === null && (seesAll || !gone)) return explainMissing(name, position, record, rule);
    if (first === null) continue;
    if (gone && !seesAll) return new Refusal(`row ${row} has a verdict of ${name}, which it did not reach`);
    position++;
    if (said[position]?.gate === name) {
      if (said[position].outcome !== "hold" || said[position].scope === "row")
        return new Refusal(`row ${row} has two verdicts of ${name}, the second of which is no late hold`);
      position++;
    }
    gone = gone || first.outcome === "reject";
  }
  const people = said.slice(position).map((verdict) => verdict.gate);
  for (const name of people)
    if (!rule.overriding.includes(name))
      return new Refusal(`row ${row}: a verdict of ${shorten(name)} ${rule.gates.has(name) ? "is not in order, or stands there twice" : `is of no gate in ${RULES.gates}`}`);
  return equalValues(people, [...people].sort(comparePoints)) ? null : new Refusal(`row ${row}: the verdicts are not in order`);
}

function explainMissing(name, position, record, rule) {
  const { row_id: row, verdicts: said } = record;
  if (said.some((verdict) => verdict.gate === name)) return new Refusal(`the verdicts on row ${row} are not in order`);
  const stray = said[position]?.gate;
  if (stray !== undefined && !rule.gates.has(stray) && !rule.overriding.includes(stray))
    return new Refusal(`row ${row}: a verdict of ${shorten(stray)} is of no gate in ${RULES.gates}`);
  return new Refusal(`row ${row} has no verdict of ${name}, which it reached`);
}

function findDialFault(verdict, gate, row) {
  const { gate: name, outcome, reason_class: said } = verdict, lead = `row ${row}: `;
  if (["reject", "hold"].includes(outcome) && (said === null || !said.startsWith(`${name}.`)))
    return new Refusal(`${lead}${name} turned it away for a class that is none of its own`, said);
  if (outcome === "accept" && (said !== null || verdict.reason !== null))
    return new Refusal(`${lead}${name} accepts it, and gives a reason against it`, said || verdict.reason);
  if (verdict.score === null || outcome === "abstain" || !gate.dials.length) return null;
  const score = Number(verdict.score);
  let crossed = false;
  for (const dial of gate.dials) {
    if (!isCrossed(dial, score)) continue;
    crossed = crossed || dial.classes.has(said);
    if (outcome === "accept" && ["reject", "hold"].includes(dial.action))
      return new Refusal(`${lead}${name} accepts it, and its score is beyond the threshold`, verdict.score, `not ${dial.rejects} ${writeFloat(dial.threshold)}`);
  }
  const mine = crossed || said === null ? [] : gate.dials.filter((dial) => dial.classes.has(said));
  if (mine.length)
    return new Refusal(`${lead}${name} turned it away as ${said}, and its score is within the threshold`, verdict.score,
      mine.map((dial) => `${dial.rejects} ${writeFloat(dial.threshold)}`).join(" or "));
  const thresholds = [...new Set(gate.dials.map((dial) => dial.threshold))];
  if (verdict.threshold !== null && !thresholds.includes(Number(verdict.threshold)))
    return new Refusal(`${lead}the threshold of ${name} is none of those in ${RULES.gates}`, verdict.threshold,
      thresholds.sort((a, b) => a - b).map(writeFloat).join(", "));
  return null;
}

class Tally extends Map {
  add(key, count = 1) {
    this.set(key, this.count(key) + count);
  }

  count(key) {
    return this.get(key) ?? 0;
  }
}

// What the statement says of the rows, counted from their records, in the order of the tree; `see` is shown
// those of the rows in data/.
class RecordCounts {
  constructor(rule, withdrawn, see) {
    Object.assign(this, { rule, withdrawn, see, replacements: 0, waiting: new Map(), late: new Set() });
    for (const name of ["decisions", "lookedAt", "abstained", "decided", "splits"]) this[name] = new Tally();
  }

  add(record) {
    const { decision, gate, replaced_by: replacement } = record.decision, { verdicts } = record;
    this.decisions.add(decision);
    new Set(verdicts.map((each) => each.gate)).forEach((name) => this.lookedAt.add(name));
    new Set(verdicts.filter((each) => each.outcome === "abstain").map((each) => each.gate)).forEach((name) => this.abstained.add(name));
    if (this.waiting.has(record.row_id) && this.waiting.get(record.row_id) === record.origin.parent_id) {
      this.waiting.delete(record.row_id);
      this.replacements++;
    }
    if (decision === "accepted") {
      if (this.withdrawn.has(record.row_id)) return;
      this.splits.add(record.kind === "adversarial" ? "adversarial" : "train");
      this.see(record);
      return;
    }
    this.decided.add(`${decision} ${gate ?? ""}`);
    if (replacement !== null) this.waiting.set(replacement, record.row_id);
    if (verdicts.length) this.late.add(gate ?? "");
  }

  get total() {
    return [...this.decisions.values()].reduce((sum, count) => sum + count, 0);
  }

  requireReplacements() {
    for (const [replacement, original] of this.waiting)
      throw new Refusal(`row ${original} is replaced by ${replacement}, and no such row stands after it and names it`);
  }

  // By gate the rows that it could say something of, in a batch with an accepted row.
  countJudged() {
    if (!this.decisions.count("accepted")) return new Tally();
    return new Tally([...this.lookedAt].map(([gate, rows]) => [gate, rows - this.abstained.count(gate)]));
  }

  toJson(selfTests) {
    const gates = this.order().map((gate) => ({
      gate, looked_at: this.lookedAt.count(gate), abstained: this.abstained.count(gate),
      rejected: this.decided.count(`rejected ${gate}`), held: this.decided.count(`held ${gate}`),
    }));
    const splits = Object.fromEntries(["train", "adversarial"].filter((name) => this.splits.count(name)).map((name) => [name, this.splits.get(name)]));
    return {
      generated: this.total - this.replacements, replacements: this.replacements,
      ...Object.fromEntries(RULES.decisions.map((name) => [name, this.decisions.count(name)])),
      gates, self_tests: selfTests, ...(this.splits.count("adversarial") ? { splits } : {}),
    };
  }

  // The stages: what decided before any gate, the gates, and whoever decided after them.
  order() {
    const deciders = [...this.decided.keys()].map((key) => key.slice(key.indexOf(" ") + 1));
    const others = [...new Set([...deciders, ...this.lookedAt.keys()])].filter((name) => !this.rule.order.includes(name)).sort(comparePoints);
    const early = others.filter((name) => !this.late.has(name) && !this.lookedAt.has(name));
    return [...early, ...this.rule.order, ...others.filter((name) => !early.includes(name))];
  }
}

async function readSelfTests(pack, rule, judged) {
  const where = RULES.measures, value = parseCanonical(await pack.read(where, RULES.max_measures_bytes), where, "\n");
  if (!has(value, "scheme:str gates:list") || value.scheme !== RULES.measures_scheme) throw new Refusal(`${where} is of another scheme, or of none`);
  const entries = new Map();
  for (const entry of value.gates) {
    if (!hasKeys(entry, ["gate", "self_test", "counts"])) throw new Refusal(`${where} does not say of each gate what it should`);
    if (!rule.gates.has(entry.gate) || entries.has(entry.gate))
      throw new Refusal(`${where} speaks of a gate twice, or of one that did not judge`, entry.gate);
    entries.set(entry.gate, entry.self_test);
  }
  const found = [];
  for (const [name, gate] of rule.gates) {
    if (gate.planted) found.push(sumSelfTest(name, gate.planted, entries.get(name), judged.count(name)));
    else if ((entries.get(name) ?? null) !== null) throw new Refusal(`${where} has a self-test of ${name}, which was asked for none`);
  }
  return found;
}

function sumSelfTest(name, asked, said, judged) {
  const where = RULES.measures;
  if (!has(said, "canaries:list controls:list")) throw new Refusal(`${where} does not say how ${name} did in its self-test`);
  const sums = [said.canaries, said.controls].map((kinds) => {
    const names = new Set();
    for (const kind of kinds) {
      if (!has(kind, "kind:str planted:int turned_away:int") || !kind.kind || names.has(kind.kind)) throw new Refusal(`${where}: a kind of ${name} is none, or stands there twice`);
      names.add(kind.kind);
      if (kind.turned_away < 0 || kind.turned_away > kind.planted) throw new Refusal(`${where}: ${name} turned away more rows than were planted`, kind.turned_away);
      if (kind.planted < 1 || kind.planted > asked) throw new Refusal(`${where}: ${name} has more rows of a kind than it was asked for`, kind.planted);
    }
    return [kinds.reduce((sum, kind) => sum + kind.planted, 0), kinds.reduce((sum, kind) => sum + kind.turned_away, 0)];
  });
  const [[planted, caught], [innocent, away]] = sums;
  if (!(planted + innocent) && judged) throw new Refusal(`${where}: ${name} judged ${judged} rows and planted none`, 0, `up to ${asked} of each kind`);
  return { gate: name, planted, caught, innocent, turned_away: away };
}
