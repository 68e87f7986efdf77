// What the process of the solution does: it loads it, and answers what the tests ask until the line closes.
const vm = require('node:vm');
const [own, wait, soon] = [new Set(Object.getOwnPropertyNames(globalThis)), setTimeout, setImmediate];
const RESERVED = new Set(('true false null this super new delete typeof void in instanceof if else for while do switch case '
  + 'break continue return throw try catch finally function class extends const let var async await yield import export '
  + 'default debugger with enum static arguments eval undefined require module exports __given__').split(' '));
const source = readAll(4);
let look = () => undefined;
let exported = {};

const line = new Line(3, false, {
  names: (names) => names.filter((name) => !own.has(name) && !RESERVED.has(name) && find(name) !== undefined),
  find: (name) => find(name),
  exported: () => (isObject(exported) ? [line.export(exported), typeof exported === 'function'] : exported),
  poll: (settled) => { line.settle(settled); return line.takeSettled(); },
});

function isObject(value) {
  return value !== null && ['object', 'function'].includes(typeof value);
}

function find(name) {
  if (isObject(exported) && Object.hasOwn(exported, name)) return exported[name];
  try { return look(name); } catch { return undefined; }
}

for (const method of ['log', 'info', 'warn', 'error', 'debug']) {
  console[method] = (...said) => { line.ask('print', method, said); };
}

// As a script or CommonJS where it is one, else as a module: only there may it say import, export and await.
async function load() {
  const module = { exports: {} };
  let run;
  try {
    const text = `${source}\n;return (...__given__) => eval(__given__[0]);`;
    run = vm.compileFunction(text, ['exports', 'require', 'module'], { filename: 'solution.js' });
  } catch (error) {
    if (!/\b(import|export|await)\b/.test(source)) throw Object.assign(error, { unparsable: true });
    return loadModule();
  }
  look = run.call(module.exports, module.exports, require, module);
  const names = module.exports;
  const isBare = names !== null && typeof names === 'object' && !Array.isArray(names);
  return isBare ? new Proxy(names, { get: (_, key) => (key in names ? names[key] : find(key)) }) : names;
}

async function loadModule() {
  const text = `${source}\nexport const __look__ = (...__given__) => eval(__given__[0]);`;
  let found;
  try {
    found = await import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`);
  } catch (error) {
    throw error instanceof SyntaxError ? Object.assign(error, { unparsable: true }) : error;
  }
  look = found.__look__;
  return found;
}

async function serve() {
  for (;;) {
    const message = line.receive();
    if (message[1] === 'poll') {
      await new Promise((resolve) => { soon(() => wait(resolve, 0)); });
    }
    line.serve(message);
    await null;
  }
}

async function main() {
  try {
    exported = await load();
    line.send(['n']);
  } catch (error) {
    const [status, reason] = describeFailure(error, 'solution.js');
    line.send(['x', error?.unparsable ? 'unparsable' : status, reason]);
  }
  await serve();
}

main().catch((error) => { if (!(error instanceof LostError)) throw error; process.reallyExit(70); });
