// What is wrong with a pack, in one sentence that names the part; and JSON in its one canonical form.
class Refusal extends Error {
  constructor(what, seen, allowed) {
    super(what);
    this.what = what;
    this.seen = seen;
    this.allowed = allowed;
  }

  tell() {
    const seen = this.seen === undefined || this.seen === null ? "" : `; seen: ${shorten(this.seen)}`;
    return `${printSafely(this.what)}${seen}${this.allowed === undefined ? "" : `; allowed: ${this.allowed}`}`;
  }
}

function printSafely(text) {
  const line = String(text).split(/[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+/).map((part) => part.trim()).filter(Boolean).join(" ");
  return line.replace(/(?! )[\p{C}\p{Z}]/gu, "\ufffd");
}

function shorten(value, most = 120) {
  const points = [...printSafely(typeof value === "string" ? value : quote(value))];
  return points.length <= most ? points.join("") : `${points.slice(0, most - 1).join("")}…`;
}

// As Python writes a value in a message: the single file is the pattern of every sentence.
function quote(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") {
    const mark = value.includes("'") && !value.includes('"') ? '"' : "'";
    return mark + value.replace(/\\/g, "\\\\").replace(mark === "'" ? /'/g : /(?!)/g, "\\'") + mark;
  }
  if (Array.isArray(value)) return `[${value.map(quote).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([k, v]) => `${quote(k)}: ${quote(v)}`).join(", ")}}`;
  return String(value);
}

const isInt = (value) => Number.isInteger(value) || typeof value === "bigint";
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isText = (value) => value === null || typeof value === "string";
const KINDS_OF_VALUE = {
  str: (value) => typeof value === "string",
  int: isInt,
  bool: (value) => typeof value === "boolean",
  list: Array.isArray,
  dict: isObject,
};

// Whether a value is an object of just these keys, each of that very type: has(value, "name:str bytes:int").
function has(value, shape) {
  const wanted = shape.split(" ").map((each) => each.split(":"));
  return isObject(value) && Object.keys(value).length === wanted.length
    && wanted.every(([key, kind]) => Object.hasOwn(value, key) && KINDS_OF_VALUE[kind](value[key]));
}

const matches = (form, value) => typeof value === "string" && form.test(value);
const SHA256_FORM = /^[0-9a-f]{64}$/;
const ROW_ID_FORM = /^[0-9a-f]{32}$/;

function equalValues(a, b) {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((each, i) => equalValues(each, b[i]));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equalValues(a[key], b[key]));
}

function comparePoints(a, b) {
  const one = [...a], other = [...b];
  for (let i = 0; i < Math.min(one.length, other.length); i++)
    if (one[i] !== other[i]) return one[i].codePointAt(0) - other[i].codePointAt(0);
  return one.length - other.length;
}

const ESCAPED = { '"': '"', "\\": "\\", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const MAX_NESTING = 200; // no part of a pack has more than ten

// One pass over a canonical text (RFC 8785): every deviation from the one form is the end of it.
class CanonicalReader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  readWhole() {
    const value = this.readValue(0);
    if (this.at !== this.text.length) throw new SyntaxError("it goes on after its value");
    return value;
  }

  readValue(depth) {
    if (depth > MAX_NESTING) throw new SyntaxError("it is nested too deeply");
    const { text } = this;
    switch (text[this.at]) {
      case '"': return this.readText();
      case "{": return this.readObject(depth);
      case "[": return this.readList(depth);
      case "t": return this.readWord("true", true);
      case "f": return this.readWord("false", false);
      case "n": return this.readWord("null", null);
      default: return this.readNumber();
    }
  }

  readWord(word, value) {
    if (!this.text.startsWith(word, this.at)) throw new SyntaxError("it holds an unknown word");
    this.at += word.length;
    return value;
  }

  readNumber() {
    const form = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e[+-][0-9]+)?/y;
    form.lastIndex = this.at;
    const found = form.exec(this.text);
    if (found === null) throw new SyntaxError("it holds what is no value");
    this.at += found[0].length;
    const number = Number(found[0]);
    if (/^-?[0-9]+$/.test(found[0])) {
      if (found[0] === "-0") throw new SyntaxError("it holds a number in another form");
      return Number.isSafeInteger(number) ? number : BigInt(found[0]);
    }
    if (writeFloat(number) !== found[0]) throw new SyntaxError("it holds a number in another form");
    return number;
  }

  readText() {
    const { text } = this;
    let end = this.at + 1, plain = true;
    for (; text[end] !== '"'; end++) {
      const code = text.charCodeAt(end);
      if (end >= text.length || code < 0x20) throw new SyntaxError("it holds a text without an end");
      if (code === 0x5c) {
        plain = false;
        end++;
      }
    }
    const found = text.slice(this.at + 1, end);
    this.at = end + 1;
    return plain ? found : found.replace(/\\(u00[01][0-9a-f]|[^])/g, (_, mark) => {
      if (mark.length === 5) {
        const char = String.fromCharCode(parseInt(mark.slice(1), 16));
        if (!"\b\f\n\r\t".includes(char)) return char;
      } else if (Object.hasOwn(ESCAPED, mark)) return ESCAPED[mark];
      throw new SyntaxError("it escapes a character that needs none");
    });
  }

  readList(depth) {
    const found = [];
    this.at++;
    if (this.text[this.at] === "]") return this.at++, found;
    for (;;) {
      found.push(this.readValue(depth + 1));
      const mark = this.text[this.at++];
      if (mark === "]") return found;
      if (mark !== ",") throw new SyntaxError("a list in it is not written canonically");
    }
  }

  readObject(depth) {
    const found = Object.create(null), text = this.text;
    let last = null;
    this.at++;
    if (text[this.at] === "}") return this.at++, found;
    for (;;) {
      if (text[this.at] !== '"') throw new SyntaxError("an object in it is not written canonically");
      const key = this.readText();
      if (last !== null && comparePoints(last, key) >= 0) throw new SyntaxError("its keys are not in order");
      if (text[this.at++] !== ":") throw new SyntaxError("an object in it is not written canonically");
      found[key] = this.readValue(depth + 1);
      last = key;
      const mark = text[this.at++];
      if (mark === "}") return found;
      if (mark !== ",") throw new SyntaxError("an object in it is not written canonically");
    }
  }
}

// The shortest decimal of a finite float, as Python's repr has it.
function writeFloat(number) {
  if (!Number.isFinite(number)) return String(number);
  const sign = number < 0 || Object.is(number, -0) ? "-" : "";
  const [mantissa, power] = Math.abs(number).toExponential().split("e");
  const digits = mantissa.replace(".", ""), exponent = Number(power);
  if (number !== 0 && (exponent < -4 || exponent >= 16)) {
    const tail = digits.length > 1 ? `.${digits.slice(1)}` : "";
    return `${sign}${digits[0]}${tail}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  return `${sign}${digits.slice(0, exponent + 1).padEnd(exponent + 1, "0")}.${digits.slice(exponent + 1) || "0"}`;
}

const DECIMAL_FORM = /^-?[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?$/;
const isDecimal = (text) => typeof text === "string" && text.length <= 32 && DECIMAL_FORM.test(text)
  && writeFloat(Number(text)) === text;

function decodeUtf8(bytes, where) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refusal(`${where} is not JSON: it is not UTF-8`);
  }
}

// What a canonical JSON text holds, `end` after it.
function parseCanonical(bytes, where, end = "") {
  let values = 0;
  for (const byte of bytes) values += byte === 0x5b || byte === 0x7b || byte === 0x2c;
  if (values > RULES.max_values) throw new Refusal(`${where} holds more values than it may`, undefined, `at most ${RULES.max_values}`);
  const text = decodeUtf8(bytes, where);
  try {
    if (!text.endsWith(end)) throw new SyntaxError("it does not end as it should");
    return new CanonicalReader(text.slice(0, text.length - end.length)).readWhole();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    try {
      JSON.parse(text);
    } catch {
      throw new Refusal(`${where} is not JSON: ${error.message}`);
    }
    throw new Refusal(`${where} is not canonical JSON (RFC 8785)`);
  }
}

// RFC 8785 bytes of texts, whole numbers, lists and objects, of which only the envelope of a proof needs any.
function writeCanonical(value) {
  if (Array.isArray(value)) return `[${value.map(writeCanonical).join(",")}]`;
  if (isObject(value)) return `{${Object.keys(value).sort(comparePoints).map((key) => `${JSON.stringify(key)}:${writeCanonical(value[key])}`).join(",")}}`;
  return typeof value === "bigint" ? String(value) : JSON.stringify(value);
}
