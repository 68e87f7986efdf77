// What the process of the tests does: it runs them against the solution on the line, and writes down what came of it.
const vm = require('node:vm');
const assert = require('node:assert');
const util = require('node:util');
const [wait, exit] = [setTimeout, process.reallyExit];
const [REAL, FAILING, NEGATED, NOTHING, INNER, CHANGED] = ['r', 'f', 'n', 'u', 'i', 'c'];
const ASYNCHRONOUS = new Set(['rejects', 'doesNotReject']);
const NOT_CHECKS = new Set(['fail', 'AssertionError', 'CallTracker', 'strict']);

let checks = 0;
let mode = REAL;
const refuting = new WeakSet();  // what an assert of the tests threw
const line = new Line(3, true, {
  print: (method, said) => { if (['log', 'info', 'warn', 'error', 'debug'].includes(method)) console[method](...said); },
});

function finish(status, reason, refuted = false) {
  let said = [status, String(reason).toWellFormed?.() ?? String(reason), checks, refuted];
  if (status === 'passed' && mode === FAILING) said = ['failed', 'AssertionError: end of the tests', 0, false];
  if (status === 'passed' && mode !== REAL) said[2] = 1;  // a control has come to its end: enough
  fs.writeSync(5, JSON.stringify(said));
  exit.call(process, 0);
}

function fail(error) {
  if (error instanceof LostError) finish('lost', error.message);
  else if (error?.unparsable) finish('unparsable_tests', describeFailure(error, 'tests.js')[1]);
  else finish(...describeFailure(error, 'tests.js'), typeof error === 'object' && error !== null && refuting.has(error));
}

function refute(error) {
  if (error instanceof LostError || String(error?.code).startsWith('ERR_INVALID_ARG')) throw error;
  if (typeof error === 'object' && error !== null) refuting.add(error);
  throw error;
}

function turnRound(held, error) {
  if (error instanceof LostError) throw error;
  if (held) throw new assert.AssertionError({ message: 'an assert that held, turned round' });
}

// An assert that is counted where it holds, and turned round where the asserts are.
function count(check, asynchronous) {
  const note = () => { checks += 1; };
  if (asynchronous) {
    return (...given) => {
      const held = check(...given);
      if (mode === NEGATED) return held.then(() => turnRound(true), (error) => turnRound(false, error));
      return held.then(note, refute);
    };
  }
  return (...given) => {
    if (mode === NEGATED) {
      let held = true;
      let thrown;
      try { check(...given); } catch (error) { [held, thrown] = [false, error]; }
      return turnRound(held, thrown);
    }
    try { check(...given); } catch (error) { refute(error); }
    return note();
  };
}

function countAll(asserts) {
  const counted = count(asserts, false);
  for (const [name, check] of Object.entries(asserts)) {
    const isCheck = typeof check === 'function' && !NOT_CHECKS.has(name);
    if (name !== 'strict') counted[name] = isCheck ? count(check, ASYNCHRONOUS.has(name)) : check;
  }
  return counted;
}

const loose = countAll(assert);
const strict = countAll(assert.strict);
loose.strict = strict.strict = strict;
console.assert = count((held, ...said) => assert.ok(held, said.length ? util.format(...said) : 'console.assert'), false);

// describe, test and their hooks, as node:test has them: what is registered runs after the file, in its order.
const cases = [];
const hooks = { before: [], beforeEach: [], after: [], afterEach: [] };
const register = (...given) => {
  const body = given.findLast((each) => typeof each === 'function');
  if (body) cases.push(body);
};
const describe = (...given) => given.findLast((each) => typeof each === 'function')?.();
const skip = () => {};
const testing = Object.assign(register, { test: register, it: register, describe, suite: describe, skip, todo: skip });
for (const name of Object.keys(hooks)) testing[name] = (body) => hooks[name].push(body);

const MODULES = { assert: loose, 'assert/strict': strict, test: testing };

function requireForTests(name) {
  const bare = String(name).replace(/^node:/, '');
  if (Object.hasOwn(MODULES, bare)) return MODULES[bare];
  if (!/^[./]|^solution$/.test(name)) return require(name);
  const held = line.ask('exported');
  return Array.isArray(held) ? line.mirror(Number(held[0]), held[1] === true) : held;
}

function readImports(text) {
  const reads = (clause, name) => {
    const from = `require(${JSON.stringify(name)})`;
    const [, first, rest] = /^\s*([\w$]+)?\s*,?\s*([^]*)$/.exec(clause);
    const parts = first ? [`${first} = (${from}.default ?? ${from})`] : [];
    if (rest.startsWith('*')) parts.push(`${rest.replace(/^\*\s*as\s+/, '')} = ${from}`);
    else if (rest) parts.push(`${rest.replace(/\s+as\s+/g, ': ')} = ${from}`);
    return `const ${parts.join(', ')};`;
  };
  return text
    .replace(/^[ \t]*import\s+([\w$*{][^'";]*?)\s*from\s*['"]([^'"\n]+)['"];?/gm, (_, clause, name) => reads(clause, name))
    .replace(/^[ \t]*import\s*['"][^'"\n]+['"];?/gm, '')
    .replace(/\bimport\s*\(/g, 'require.later(');
}

function compile(text, names) {
  const later = [...text.matchAll(/^(?:async\s+)?function\s+(test\w*)\s*\(\s*\)/gm)].map(([, name]) => name);
  const uncalled = later.filter((name) => text.split(new RegExp(`\\b${name}\\b`)).length === 2);
  const called = uncalled.map((name) => `\n;await ${name}();`).join('');
  const given = ['require', 'module', 'exports', ...names];
  try {
    return vm.runInThisContext(`(async (${given}) => { await (async () => { ${text}\n${called}\n})(); })`, {
      filename: 'tests.js',
    });
  } catch (error) {
    throw Object.assign(error, { unparsable: error instanceof SyntaxError });
  }
}

// What 'changed' gives in the place of a result: another one of its kind.
function changeResult(value) {
  switch (typeof value) {
    case 'number': return value + 1;
    case 'bigint': return value + 1n;
    case 'string': return `${value}x`;
    case 'boolean': return !value;
    case 'undefined': return 0;
    default:
  }
  if (value === null) return 0;
  if (line.theirs.has(value) || typeof value === 'function') return value;
  if (Array.isArray(value)) return value.length ? value.slice(0, -1) : [0];
  if (value instanceof Map) return new Map([...value].slice(1).concat(value.size ? [] : [[0, 0]]));
  if (value instanceof Set) return new Set([...value].slice(1).concat(value.size ? [] : [0]));
  if (value instanceof Date) return new Date(value.getTime() + 86_400_000);
  const [key] = Object.keys(value);
  const { [key]: _, ...others } = value;
  return key === undefined ? { changed: 1 } : others;
}

function poll() {
  try { line.settle(line.ask('poll', line.takeSettled())); } catch (error) { fail(error); }
  schedule();
}

let timer;
function schedule() {
  timer = wait(poll, 1);
  if (!line.open) timer.unref();
}
line.opened = () => timer?.ref();

async function runCases() {
  for (const hook of hooks.before) await hook();
  while (cases.length) {
    const body = cases.shift();
    for (const hook of hooks.beforeEach) await hook();
    await body(testing);
    for (const hook of hooks.afterEach) await hook();
  }
  for (const hook of hooks.after) await hook();
}

async function run() {
  let loaded = line.receive();
  while (loaded[0] === '?') { line.serve(loaded); loaded = line.receive(); }
  const text = readAll(4);
  if (loaded[0] !== 'n') {
    const known = ['failed', 'memory', 'blocked', 'space', 'unparsable'];
    if (loaded[0] !== 'x') throw new LostError('the solution sent no names');
    return finish(known.includes(loaded[1]) ? loaded[1] : 'failed', loaded[2]);
  }
  mode = text[0];
  const tests = readImports(text.slice(1));
  const given = { assert: loose, test: testing, it: testing, describe, suite: describe, ...testing };
  const words = [...new Set(tests.match(/[A-Za-z_$][\w$]*/g) ?? [])].filter((name) => !(name in given));
  const names = words.length ? line.ask('names', words) : [];
  const bound = Object.entries(given).filter(([name]) => !['require', 'todo', 'skip'].includes(name));
  const body = compile(tests, [...bound.map(([name]) => name), ...names.filter((name) => words.includes(name))]);
  const values = names.filter((name) => words.includes(name)).map((name) => line.ask('find', name));
  if (mode === NOTHING) line.idle = () => true;
  if (mode === INNER) line.idle = (number) => line.born.has(number);
  if (mode === CHANGED) line.change = changeResult;
  const reads = Object.assign((name) => requireForTests(name), {
    later: async (name) => { const found = requireForTests(name); return { default: found, ...found }; },
  });
  schedule();
  const module = { exports: {} };
  await body(reads, module, module.exports, ...bound.map(([, value]) => value), ...values);
  await runCases();
  return undefined;
}

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
process.on('beforeExit', () => finish('passed', ''));
run().catch(fail);
