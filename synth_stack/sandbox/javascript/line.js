// One end of the line between the process of the tests and that of the solution: values copied, the rest by number.
//
// A message is four bytes of length and a JSON list, as between two processes of Python: ["?", what, values] asks,
// ["=", value, changes] answers, ["!", error, changes] throws. While one side waits for its answer it serves what the
// other asks. `changes` are the new contents of the containers that stood in the question. Promises are polled for.
const fs = require('node:fs');
const { isNativeError } = require('node:util').types;
const MOST_BYTES = 1 << 28;
const ERRORS = ['Error', 'TypeError', 'RangeError', 'SyntaxError', 'ReferenceError', 'EvalError', 'URIError'];
const ARRAYS = ['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array',
  'Uint32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array'];
const BUILT_IN = new Map();  // the language's own functions and prototypes, which both sides have, by name
const BY_NAME = new Map();
for (const name of Object.getOwnPropertyNames(globalThis)) {
  const value = Object.getOwnPropertyDescriptor(globalThis, name).value;
  if (typeof value === 'function') {
    for (const [key, held] of [[name, value], [`${name}.prototype`, value.prototype]]) {
      if (held && !BUILT_IN.has(held)) { BUILT_IN.set(held, key); BY_NAME.set(key, held); }
    }
  }
}
for (const made of [async function () {}, function* () {}, async function* () {}]) {
  const proto = Object.getPrototypeOf(made);
  const name = proto[Symbol.toStringTag];
  for (const [key, held] of [[name, proto.constructor], [`${name}.prototype`, proto]]) {
    BUILT_IN.set(held, key);
    BY_NAME.set(key, held);
  }
}
const CALLERS = new Set(['caller', 'callee', 'arguments']);  // of functions: these lead to frames

class LostError extends Error {}

function isPlain(value) {
  const proto = Object.getPrototypeOf(value);
  if (proto !== Object.prototype && proto !== null) return false;
  const own = Object.getOwnPropertyDescriptors(value);
  return Reflect.ownKeys(own).every((key) => typeof key === 'string' && own[key].enumerable && 'value' in own[key]
    && typeof own[key].value !== 'function');
}

function nameContainer(value) {
  const proto = Object.getPrototypeOf(value);
  if (Array.isArray(value)) return proto === Array.prototype ? 'l' : null;
  if (proto === Map.prototype) return 'm';
  if (proto === Set.prototype) return 's';
  if (ArrayBuffer.isView(value)) {
    return Buffer.isBuffer(value) || ARRAYS.some((name) => proto === BY_NAME.get(`${name}.prototype`)) ? 'a' : null;
  }
  return isPlain(value) ? 'd' : null;
}

class Encoder {
  constructor(line, objects = []) {
    this.line = line;
    this.objects = objects;
    this.seen = new Map(objects.map((object, k) => [object, k]));
  }

  encode(value) {
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
    if (typeof value === 'number') {
      return Number.isFinite(value) && !Object.is(value, -0) ? value : ['f', Object.is(value, -0) ? '-0' : String(value)];
    }
    if (value === undefined) return ['u'];
    if (typeof value === 'bigint') return ['i', String(value)];
    if (typeof value === 'symbol') return this.encodeSymbol(value);
    if (this.seen.has(value)) return ['b', this.seen.get(value)];
    if (this.line.theirs.has(value)) return ['p', this.line.theirs.get(value)];
    if (BUILT_IN.has(value)) return ['g', BUILT_IN.get(value)];
    return this.encodeObject(value);
  }

  encodeSymbol(value) {
    const known = Reflect.ownKeys(Symbol).find((key) => Symbol[key] === value);
    return ['y', known === undefined ? 'for' : 'own', known ?? Symbol.keyFor(value) ?? String(value)];
  }

  encodeObject(value) {
    if (value instanceof Promise) return ['w', this.line.watch(value)];
    if (isNativeError(value)) return this.encodeError(value);
    const proto = Object.getPrototypeOf(value);
    if (proto === Date.prototype) return ['t', this.encode(value.getTime())];
    if (proto === RegExp.prototype) return ['x', value.source, value.flags];
    const kind = typeof value === 'function' ? null : nameContainer(value);
    if (kind === null) return ['o', this.line.export(value), typeof value === 'function'];
    this.seen.set(value, this.objects.length);
    this.objects.push(value);
    return this.encodeContents(value, kind);
  }

  encodeContents(value, kind = nameContainer(value)) {
    if (kind === 'l') return ['l', Array.from(value, (item, k) => (k in value ? this.encode(item) : ['h']))];
    if (kind === 'm') return ['m', [...value].map(([key, held]) => [this.encode(key), this.encode(held)])];
    if (kind === 's') return ['s', [...value].map((held) => this.encode(held))];
    if (kind === 'a') {
      const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
      return ['a', Buffer.isBuffer(value) ? 'Buffer' : value.constructor.name, bytes];
    }
    const bare = Object.getPrototypeOf(value) === null;
    return ['d', bare, Object.keys(value).map((key) => [key, this.encode(value[key])])];
  }

  encodeError(error) {
    const name = ERRORS.find((each) => Object.getPrototypeOf(error) === BY_NAME.get(`${each}.prototype`)) ?? null;
    this.seen.set(error, this.objects.length);
    this.objects.push(error);
    const keys = Object.getOwnPropertyNames(error).filter((key) => key !== 'stack' && key !== 'message');
    const held = keys.map((key) => [key, this.encode(error[key])]);
    const proto = name === null ? this.encode(Object.getPrototypeOf(error)) : null;
    return ['e', name, proto, String(error.message), held];
  }
}

class Decoder {
  constructor(line, objects = []) {
    this.line = line;
    this.objects = objects;
  }

  decode(code) {
    if (!Array.isArray(code)) return code;
    const read = READERS[code[0]];
    if (read === undefined) throw new LostError('an unknown code');
    return read(this, ...code.slice(1));
  }

  keep(object) {
    this.objects.push(object);
    return object;
  }
}

function fill(container, decoder, kind, ...told) {
  if (kind === 'l') {
    container.length = told[0].length;
    told[0].forEach((item, k) => { if (Array.isArray(item) && item[0] === 'h') delete container[k]; else container[k] = decoder.decode(item); });
  } else if (kind === 'm') {
    for (const [key, held] of told[0]) container.set(decoder.decode(key), decoder.decode(held));
  } else if (kind === 's') {
    for (const held of told[0]) container.add(decoder.decode(held));
  } else if (kind === 'd') {
    for (const [key, held] of told[1]) {
      const value = decoder.decode(held);
      Object.defineProperty(container, key, { value, writable: true, enumerable: true, configurable: true });
    }
  }
  return container;
}

function readBytes(decoder, name, text) {
  const bytes = Buffer.from(text, 'base64');
  if (name === 'Buffer') return decoder.keep(bytes);
  if (!ARRAYS.includes(name)) throw new LostError('an unknown array');
  const own = new Uint8Array(bytes);
  return decoder.keep(new (BY_NAME.get(name))(own.buffer));
}

function readError(decoder, name, proto, message, held) {
  const error = new (BY_NAME.get(ERRORS.includes(name) ? name : 'Error'))(String(message));
  decoder.keep(error);
  for (const [key, value] of held) {
    Object.defineProperty(error, key, { value: decoder.decode(value), writable: true, enumerable: true, configurable: true });
  }
  const there = proto === null ? null : decoder.decode(proto);
  if (there !== null && typeof there === 'object') Object.setPrototypeOf(error, there);
  return error;
}

const READERS = {
  u: () => undefined,
  f: (_, text) => Number(text),
  i: (_, text) => BigInt(text),
  y: (_, kind, name) => (kind === 'own' && typeof Symbol[name] === 'symbol' ? Symbol[name] : Symbol.for(String(name))),
  b: (decoder, place) => decoder.objects[place],
  p: (decoder, number) => decoder.line.findOwn(number),
  g: (_, name) => BY_NAME.get(name),
  w: (decoder, id) => decoder.line.await(id),
  t: (decoder, time) => new Date(decoder.decode(time)),
  x: (_, source, flags) => new RegExp(source, flags),
  o: (decoder, number, callable) => decoder.line.mirror(number, callable),
  l: (decoder, items) => fill(decoder.keep([]), decoder, 'l', items),
  m: (decoder, pairs) => fill(decoder.keep(new Map()), decoder, 'm', pairs),
  s: (decoder, items) => fill(decoder.keep(new Set()), decoder, 's', items),
  d: (decoder, bare, pairs) => fill(decoder.keep(bare ? Object.create(null) : {}), decoder, 'd', bare, pairs),
  a: readBytes,
  e: readError,
};

function replaceContents(container, decoder, code) {
  if (code[0] === 'a') { container.set(readBytes(new Decoder(null), code[1], code[2])); return; }
  if (code[0] === 'm' || code[0] === 's') container.clear();
  if (code[0] === 'd') for (const key of Object.keys(container)) delete container[key];
  fill(container, decoder, ...code);
}

class Line {
  // `strict`: the other side is not trusted: it may ask nothing but of what it was handed, and gets no built-in method.
  constructor(file, strict, perform = {}) {
    Object.assign(this, { file, strict, extra: perform });
    this.own = [];
    this.numbers = new Map();
    this.theirs = new Map();
    this.mirrors = new Map();
    this.watched = new Map();
    this.awaited = new Map();
    this.settled = [];
    this.open = 0;
    this.change = (value) => value;
    this.idle = () => false;  // whether a function of the other side does nothing when it is called
    this.born = new Set();  // the objects and functions that came of calls, and their methods
  }

  send(message) {
    const body = Buffer.from(JSON.stringify(message));
    const head = Buffer.alloc(4);
    head.writeUInt32BE(body.length);
    const bytes = Buffer.concat([head, body]);
    try {
      for (let at = 0; at < bytes.length;) at += fs.writeSync(this.file, bytes, at);
    } catch {
      throw new LostError('the line is closed');
    }
  }

  receive() {
    const size = this.read(4).readUInt32BE();
    if (size > MOST_BYTES) throw new LostError('a message too large');
    let message;
    try { message = JSON.parse(this.read(size)); } catch { throw new LostError('the line is closed'); }
    if (!Array.isArray(message)) throw new LostError('the other side sent no message');
    return message;
  }

  read(size) {
    const bytes = Buffer.alloc(size);
    for (let at = 0; at < size;) {
      let count = 0;
      try { count = fs.readSync(this.file, bytes, at, size - at); } catch { count = 0; }
      if (!count) throw new LostError('the line is closed');
      at += count;
    }
    return bytes;
  }

  export(value) {
    if (!this.numbers.has(value)) this.numbers.set(value, this.own.push(value) - 1);
    return this.numbers.get(value);
  }

  findOwn(number) {
    if (!Number.isInteger(number) || !(number in this.own)) throw new LostError('no number');
    return this.own[number];
  }

  watch(promise) {
    if (!this.watched.has(promise)) {
      const id = this.watched.size;
      this.watched.set(promise, id);
      promise.then((value) => this.settled.push([id, true, value]), (error) => this.settled.push([id, false, error]));
    }
    return this.watched.get(promise);
  }

  await(id) {
    if (!this.awaited.has(id)) {
      const held = {};
      held.promise = new Promise((resolve, reject) => Object.assign(held, { resolve, reject }));
      this.awaited.set(id, held);
      this.open += 1;
      this.opened?.();
    }
    return this.awaited.get(id).promise;
  }

  takeSettled() {
    const settled = this.settled;
    this.settled = [];
    return settled;
  }

  settle(settled) {
    for (const [id, held, value] of settled) {
      const waiting = this.awaited.get(id);
      if (!waiting || waiting.done) continue;
      waiting.done = true;
      this.open -= 1;
      if (held) waiting.resolve(this.change(value));
      else waiting.reject(value);
    }
  }

  ask(what, ...values) {
    const encoder = new Encoder(this);
    this.send(['?', what, values.map((value) => encoder.encode(value))]);
    for (;;) {
      const message = this.receive();
      if (message[0] === '?') { this.serve(message); continue; }
      const decoder = new Decoder(this, encoder.objects);
      const value = decoder.decode(message[1]);
      for (const [place, code] of message[2]) replaceContents(encoder.objects[place], decoder, code);
      if (message[0] === '=') return value;
      throw value;
    }
  }

  serve([, what, codes]) {
    const decoder = new Decoder(this);
    if (this.strict && !(what in this.extra) && codes[0]?.[0] !== 'p') throw new LostError('asked of nothing handed over');
    const values = codes.map((code) => decoder.decode(code));
    const objects = decoder.objects.filter((object) => !isNativeError(object));
    const before = this.snapshot(decoder.objects, objects);
    let kind = '=';
    let value;
    try { value = this.perform(what, values); } catch (error) {
      if (error instanceof LostError) throw error;
      kind = '!';
      value = error;
    }
    const after = this.snapshot(decoder.objects, objects);
    const changes = after.filter(([, code], k) => JSON.stringify(code) !== JSON.stringify(before[k][1]));
    const encoder = new Encoder(this, [...decoder.objects]);
    this.send([kind, encoder.encode(value), changes.map(([place]) => [place, encoder.encodeContents(decoder.objects[place])])]);
  }

  snapshot(all, objects) {
    return objects.map((object) => [all.indexOf(object), new Encoder(this, [...all]).encodeContents(object)]);
  }

  perform(what, [target, ...values]) {
    if (what in this.extra) return this.extra[what](target, ...values);
    switch (what) {
      case 'call': return Reflect.apply(target, values[0], values[1]);
      case 'new': return Reflect.construct(target, values[0]);
      case 'get': return this.get(target, values[0]);
      case 'set': return values[0] !== '__proto__' && Reflect.set(target, values[0], values[1]);
      case 'has': return Reflect.has(target, values[0]);
      case 'delete': return Reflect.deleteProperty(target, values[0]);
      case 'keys': return Reflect.ownKeys(target);
      case 'shown': return Object.getOwnPropertyDescriptor(target, values[0])?.enumerable ?? null;
      case 'proto': return Object.getPrototypeOf(target);
      default: throw new LostError('an unknown question');
    }
  }

  // What an untrusted side reads of an object stops at the language's own prototypes: it has these itself.
  get(target, key) {
    if (!this.strict) return Reflect.get(target, key);
    if (CALLERS.has(key)) return undefined;
    for (let held = target; held !== null && !BUILT_IN.has(held); held = Object.getPrototypeOf(held)) {
      if (Object.prototype.hasOwnProperty.call(held, key)) return Reflect.get(target, key);
    }
    return undefined;
  }

  mirror(number, callable) {
    if (!this.mirrors.has(number)) {
      const made = new Proxy(callable ? function () {} : {}, this.trap(number));
      this.mirrors.set(number, made);
      this.theirs.set(made, number);
    }
    return this.mirrors.get(number);
  }

  result(value) {
    return value instanceof Promise ? value : this.change(value);
  }

  trap(number) {
    const ask = (what, ...values) => this.ask(what, this.mirrors.get(number), ...values);
    const bear = (value) => {
      if (this.theirs.has(value)) this.born.add(this.theirs.get(value));
      return value;
    };
    const isOwn = (key) => typeof key === 'symbol' || ['prototype', 'constructor', 'length', 'name'].includes(key);
    return {
      apply: (_, self, values) => (this.idle(number) ? undefined : this.result(bear(ask('call', self, values)))),
      construct: (_, values) => bear(ask('new', values)),
      get: (target, key) => {
        const value = this.born.has(number) ? bear(ask('get', key)) : ask('get', key);
        if (value === undefined && !this.strict) return Reflect.get(target, key);
        return value === undefined || typeof value === 'function' || isOwn(key) ? value : this.result(value);
      },
      set: (_, key, value) => ask('set', key, value),
      has: (_, key) => ask('has', key),
      deleteProperty: (_, key) => ask('delete', key),
      ownKeys: (target) => [...new Set([...ask('keys'), ...Reflect.ownKeys(target).filter((key) => key === 'prototype')])]
        .filter((key) => typeof key === 'string' || typeof key === 'symbol'),
      getOwnPropertyDescriptor: (target, key) => {
        const own = Reflect.getOwnPropertyDescriptor(target, key);
        if (own && !own.configurable) return own;
        const shown = ask('shown', key);
        return shown === null ? undefined
          : { value: ask('get', key), writable: true, enumerable: shown === true, configurable: true };
      },
      getPrototypeOf: () => ask('proto'),
    };
  }
}

// A status and a reason: what was thrown, with the line of the file that it left.
function describeFailure(error, file) {
  const code = error?.code;
  let status = 'failed';
  if (['EPERM', 'EACCES', 'EROFS', 'ENOSYS', 'ERR_ACCESS_DENIED'].includes(code)) status = 'blocked';
  if (['EFBIG', 'ENOSPC', 'EDQUOT', 'EMFILE'].includes(code)) status = 'space';
  if (code === 'ERR_MEMORY_ALLOCATION_FAILED' || /allocation failed|could not allocate memory/i.test(String(error?.message))) status = 'memory';
  const name = error instanceof Error ? String(error.name) : 'thrown';
  const said = error instanceof Error ? String(error.message) : String(error);
  const line = new RegExp(`${file}:(\\d+)`).exec(String(error?.stack))?.[1];
  const where = line ? ` (line ${line} of the ${file === 'tests.js' ? 'tests' : 'solution'})` : '';
  return [status, `${name}: ${said.slice(0, 300)}${where}`];
}

function readAll(file) {
  const parts = [];
  const part = Buffer.alloc(1 << 16);
  for (let count; (count = fs.readSync(file, part, 0, part.length));) parts.push(Buffer.from(part.subarray(0, count)));
  fs.closeSync(file);
  return Buffer.concat(parts).toString();
}
