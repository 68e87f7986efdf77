"""JavaScript in the sandbox: honest pairs pass, hostile ones are contained, and none of them passes."""

from collections.abc import Iterator

import pytest

from synth_stack.errors import SandboxError
from synth_stack.sandbox.levels import LEVELS
from synth_stack.sandbox.modes import CHANGED, INNER, NOTHING
from synth_stack.sandbox.room import Limits, Room, check_level, find_javascript
from synth_stack.sandbox.run_many import run_many
from synth_stack.sandbox.runtimes import JAVASCRIPT_LANGUAGE, Runtime, find_node

QUICK = Limits(cpu_s=1, wall_s=8)

HONEST = {
    "stack class": (
        (
            "class Stack { constructor(){this.items=[]} push(x){this.items.push(x); return this} pop("
            "){ if(!this.items.length) throw new RangeError('empty'); return this.items.pop()} get si"
            "ze(){return this.items.length} }\nmodule.exports = { Stack };"
        ),
        (
            "const assert=require('node:assert');\nconst {Stack}=require('./stack');\nconst s=new Stack"
            "();\ns.push(1).push(2);\nassert.strictEqual(s.size,2);\nassert.strictEqual(s.pop(),2);\nasse"
            "rt.ok(s instanceof Stack);\nassert.throws(()=>new Stack().pop(), RangeError);\nassert.thro"
            "ws(()=>new Stack().pop(), {message:'empty'});"
        ),
    ),
    "custom error": (
        (
            "class ValidationError extends Error { constructor(m, f){super(m); this.name='ValidationE"
            "rror'; this.field=f} }\nfunction check(o){ if(!o.name) throw new ValidationError('no name"
            "','name'); return {...o, ok:true} }"
        ),
        (
            "assert.throws(()=>check({}), ValidationError);\nassert.throws(()=>check({}), /no name/);\n"
            "assert.throws(()=>check({}), (e)=>e.field==='name' && e instanceof ValidationError && e "
            "instanceof Error);\nassert.deepStrictEqual(check({name:'a'}),{name:'a',ok:true});"
        ),
    ),
    "in place sort": (
        "const sortDesc = (xs) => { xs.sort((a,b)=>b-a); return xs; };",
        (
            "const xs=[1,3,2]; const r=sortDesc(xs); assert.deepStrictEqual(xs,[3,2,1]); assert.stric"
            "tEqual(r,xs);"
        ),
    ),
    "esm": (
        (
            "import { format } from 'node:util';\nexport function hi(n){ return format('hi %s', n) }\ne"
            "xport default hi;\nconst secret = 4;"
        ),
        (
            "import assert from 'node:assert/strict';\nimport hello, { hi } from './hi.js';\nimport * a"
            "s all from './hi.mjs';\nassert.equal(hi('x'),'hi x'); assert.equal(hello('y'),'hi y'); as"
            "sert.equal(all.hi('z'),'hi z'); assert.equal(secret, 4);"
        ),
    ),
    "async": (
        (
            "const sleep = ms => new Promise(r=>setTimeout(r,ms));\nasync function retry(fn, n){ for(l"
            "et i=0;;i++){ try { return await fn(i) } catch(e){ if(i+1>=n) throw e; await sleep(2) } "
            "} }"
        ),
        (
            "const out = await retry(async (i)=>{ if(i<2) throw new Error('no'); return i*10 }, 5); a"
            "ssert.strictEqual(out,20); await assert.rejects(retry(async()=>{throw new TypeError('bad"
            "')},2), TypeError);"
        ),
    ),
    "promise then": (
        "function later(v){ return new Promise(r=>setTimeout(()=>r(v),5)) }",
        "later(3).then(v=>assert.strictEqual(v,3));",
    ),
    "debounce": (
        (
            "function debounce(fn, ms){ let t; return (...a)=>{ clearTimeout(t); t=setTimeout(()=>fn("
            "...a),ms) } }"
        ),
        (
            "const seen=[]; const d=debounce(x=>seen.push(x),10); d(1); d(2); await new Promise(r=>se"
            "tTimeout(r,60)); assert.deepStrictEqual(seen,[2]);"
        ),
    ),
    "closure counter": (
        ("const createCounter = () => { let n=0; return { inc(){ return ++n }, get value(){ return n } } }"),
        (
            "const c=createCounter(); c.inc(); c.inc(); assert.equal(c.value,2); assert.equal(createC"
            "ounter().value,0);"
        ),
    ),
    "generator": (
        "function* range(a,b){ for(let i=a;i<b;i++) yield i }",
        "assert.deepStrictEqual([...range(1,4)],[1,2,3]);",
    ),
    "iterable class": (
        ("class R { constructor(n){this.n=n} *[Symbol.iterator](){ for(let i=0;i<this.n;i++) yield i } }"),
        (
            "assert.deepStrictEqual(Array.from(new R(3)),[0,1,2]); let t=0; for (const x of new R(4))"
            " t+=x; assert.equal(t,6);"
        ),
    ),
    "map set": (
        (
            "const count = s => { const m=new Map(); for(const c of s) m.set(c,(m.get(c)||0)+1); retu"
            "rn m }; const uniq=a=>new Set(a); const big=n=>BigInt(n)*2n; const nan=()=>NaN; const ne"
            "g=()=>-0;"
        ),
        (
            "assert.deepStrictEqual(count('aab'), new Map([['a',2],['b',1]])); assert.deepStrictEqual"
            "(uniq([1,1]), new Set([1])); assert.strictEqual(big(4),8n); assert.ok(Number.isNaN(nan()"
            ")); assert.strictEqual(neg(),-0);"
        ),
    ),
    "node:test": (
        "const add=(a,b)=>a+b",
        (
            "const test=require('node:test');\nconst {describe,it,beforeEach}=require('node:test');\nle"
            "t n=0; beforeEach(()=>{n++});\ntest('adds',()=>{assert.equal(add(1,2),3)});\ndescribe('x',"
            "()=>{ it('y', async ()=>{ assert.equal(add(0,0),0); assert.equal(n,2) }) });"
        ),
    ),
    "console.assert": (
        "function sq(x){return x*x}",
        "console.assert(sq(3)===9,'nine'); console.assert(sq(0)===0);",
    ),
    "logs captured": (
        "function say(x){ console.log('hi', x) }",
        (
            "const got=[]; const old=console.log; console.log=(...a)=>got.push(a); say(3); console.lo"
            "g=old; assert.deepStrictEqual(got,[['hi',3]]);"
        ),
    ),
    "callback reduce": (
        "function myReduce(xs, f, z){ let a=z; for(const x of xs) a=f(a,x); return a }",
        (
            "assert.deepStrictEqual(myReduce([1,2],(a,x)=>{a.push(x*2);return a},[]),[2,4]); assert.e"
            "qual(myReduce(['1','2'],(a,x)=>a+Number(x),0),3)"
        ),
    ),
    "memoize": (
        ("function memo(f){ const c=new Map(); return k=>{ if(!c.has(k)) c.set(k,f(k)); return c.get(k)} }"),
        (
            "let n=0; const m=memo(x=>{n++; return x+1}); assert.equal(m(1),2); assert.equal(m(1),2);"
            " assert.equal(n,1);"
        ),
    ),
    "event emitter": (
        (
            "const EventEmitter=require('events'); class Q extends EventEmitter { add(x){ this.emit('"
            "add',x) } }\nmodule.exports=Q;"
        ),
        (
            "const Q=require('./q'); const q=new Q(); let got; q.on('add',x=>{got=x}); q.add(5); asse"
            "rt.equal(got,5);"
        ),
    ),
    "linked nodes": (
        (
            "class Node{constructor(v){this.v=v;this.next=null}} function list(a){ let h=null; for(co"
            "nst v of a.reverse()){const n=new Node(v); n.next=h; h=n} return h }"
        ),
        (
            "const l=list([1,2]); assert.equal(l.v,1); assert.equal(l.next.v,2); assert.equal(l.next."
            "next,null);"
        ),
    ),
    "test functions": (
        "const inc=x=>x+1",
        (
            "function testInc(){ assert.equal(inc(1),2) }\nfunction testTwo(){ assert.equal(inc(2),3) "
            "}\ntestTwo();"
        ),
    ),
    "strict script": (
        "'use strict';\nvar total = 0;\nfunction add(n){ total += n; return total }",
        "assert.equal(add(2),2); assert.equal(add(3),5);",
    ),
    "name const": (
        ("const name='bob'; const data={a:[1,{b:2}]}; exports.greet=()=>`hi ${name}`; exports.data=data;"),
        (
            "assert.equal(greet(),'hi bob'); assert.deepStrictEqual(require('../src/x').data,{a:[1,{b"
            ":2}]}); assert.equal(name,'bob')"
        ),
    ),
    "date regexp": (
        (
            "const tomorrow=d=>new Date(d.getTime()+864e5); const re=()=>/ab+/gi; const buf=()=>Buffe"
            "r.from('hi'); const f64=()=>new Float64Array([1.5]);"
        ),
        (
            "assert.deepStrictEqual(tomorrow(new Date(0)),new Date(864e5)); assert.equal(re().flags,'"
            "gi'); assert.ok(re().test('ABB')); assert.deepStrictEqual(buf(),Buffer.from('hi')); asse"
            "rt.deepStrictEqual(f64(),new Float64Array([1.5]))"
        ),
    ),
    "cyclic": (
        "const loop=()=>{const a={n:1}; a.self=a; return a}; const clone=o=>structuredClone(o)",
        (
            "const l=loop(); assert.strictEqual(l.self,l); const x={p:1}; x.x=x; const y=clone(x); as"
            "sert.strictEqual(y.x,y); assert.notStrictEqual(y,x)"
        ),
    ),
    "require function export": (
        "module.exports = function slug(s){ return s.toLowerCase().replace(/\\s+/g,'-') }",
        "const slugify=require('./slug'); assert.equal(slugify('A b'),'a-b');",
    ),
    "top await esm": ("const v = await Promise.resolve(4); export const get=()=>v;", "assert.equal(get(),4)"),
    "options with callback": (
        ("function run({items, onItem, label='x'}){ items.forEach((i,k)=>onItem(i,k)); return label }"),
        (
            "const got=[]; assert.equal(run({items:['a'],onItem:(i,k)=>got.push([i,k])}),'x'); assert"
            ".deepStrictEqual(got,[['a',0]])"
        ),
    ),
}

WRONG = "assert.strictEqual(f(), 2);"

HOSTILE = {
    "loop": ("while(true){}", WRONG, "timeout"),
    "loop in call": ("function f(){ while(true){} }", WRONG, "timeout"),
    "buffers": ("const x=[]; while(true) x.push(Buffer.alloc(1<<24,1))", WRONG, "memory"),
    "one buffer": ("Buffer.alloc(2**32,1)", WRONG, "memory"),
    "string": ("let s='x'; while(true) s+=s", WRONG, "failed"),
    "buffers in call": (
        "function f(){const x=[]; while(true) x.push(Buffer.alloc(1<<24,1))}",
        WRONG,
        "memory",
    ),
    "wasm memory": (
        (
            "new WebAssembly.Memory({initial:30000}); const a=[]; for(;;) a.push(new Uint8Array(new W"
            "ebAssembly.Memory({initial:10000}).buffer).fill(1))"
        ),
        WRONG,
        "memory",
    ),
    "fork bomb": (
        ("const cp=require('child_process'); for(;;) { try { cp.spawn('/bin/sh',['-c','id']) } catch {} }"),
        WRONG,
        "timeout",
    ),
    "spawnSync": (
        "const r=require('child_process').spawnSync('id'); if (r.error) throw r.error;",
        WRONG,
        "blocked",
    ),
    "exec node": (
        (
            "const r=require('child_process').spawnSync(process.execPath,['-e','1']); if (r.error) th"
            "row r.error;"
        ),
        WRONG,
        "blocked",
    ),
    "fork": ("require('child_process').fork('/x')", WRONG, "blocked"),
    "cluster": ("require('cluster').fork()", WRONG, "failed"),
    "read passwd": ("function f(){ return 1 }\nrequire('fs').readFileSync('/etc/passwd')", WRONG, "failed"),
    "read node": (
        "function f(){ return 1 }\nrequire('fs').readFileSync('/usr/bin/node').length",
        WRONG,
        "failed",
    ),
    "read environ": (
        "function f(){ return 1 }\nrequire('fs').readFileSync('/proc/1/environ')",
        WRONG,
        "failed",
    ),
    "list root": (
        "function f(){ return 1 }\nthrow new Error(require('fs').readdirSync('/').join())",
        WRONG,
        "blocked",
    ),
    "write": ("require('fs').writeFileSync('/written','x')", WRONG, "blocked"),
    "write much": (
        "const fs=require('fs'); for(let k=0;;k++) fs.writeFileSync('f'+k, Buffer.alloc(1<<20))",
        WRONG,
        "space",
    ),
    "tcp": (
        "require('net').connect(80,'127.0.0.1')",
        "await new Promise(r=>setTimeout(r,100)); assert.strictEqual(f(), 2);",
        "failed",
    ),
    "listen": (
        "require('net').createServer().listen(0)",
        "await new Promise(r=>setTimeout(r,100)); assert.strictEqual(f(), 2);",
        "failed",
    ),
    "fetch": ("async function f(){ return await fetch('http://127.0.0.1:1') }", "await f()", "failed"),
    "dgram": (
        "require('dgram').createSocket('udp4').bind()",
        "await new Promise(r=>setTimeout(r,100)); assert.strictEqual(f(), 2);",
        "failed",
    ),
    "exit 0": ("process.exit(0)", WRONG, "failed"),
    "exit in call": ("function f(){ process.exit(0) }", WRONG, "failed"),
    "reallyExit": ("function f(){ process.reallyExit(0) }", WRONG, "failed"),
    "abort": ("function f(){process.abort()}", WRONG, "crashed"),
    "exit in tests": ("function f(){ return 1 }\n", "process.exit(0)", "failed"),
    "marker": (
        (
            "function f(){ return 1 }\nconsole.log(JSON.stringify(['passed','',9,false])); process.std"
            'out.write(\'["passed","",9,false]\')'
        ),
        WRONG,
        "failed",
    ),
    "marker on every file": (
        (
            "function f(){ return 1 }\nconst fs=require('fs'); for(let k=0;k<40;k++){ try { fs.writeSy"
            'nc(k,\'["passed","",9,false]\') } catch {} }'
        ),
        WRONG,
        "crashed",
    ),
    "forged frames": (
        (
            "function f(){ return 1 }\nconst fs=require('fs'); const b=Buffer.from(JSON.stringify(['='"
            ",2,[]])); const h=Buffer.alloc(4); h.writeUInt32BE(b.length); for(let k=0;k<50;k++) fs.w"
            "riteSync(3,Buffer.concat([h,b]));"
        ),
        WRONG,
        "failed",
    ),
    "patch assert": (
        (
            "function f(){ return 1 }\nconst a=require('assert'); for (const k of Object.keys(a)) a[k]"
            "=()=>{}; a.strict=a; require('module')._load=()=>()=>{}"
        ),
        WRONG,
        "failed",
    ),
    "patch globals": (
        (
            "function f(){ return 1 }\nObject.is=()=>true; Object.prototype.toString=()=>''; globalThi"
            "s.assert={strictEqual(){}}; Array.prototype.push=()=>0"
        ),
        WRONG,
        "failed",
    ),
    "equal all": (
        (
            "function f(){ return { valueOf(){ return 2 }, toString(){ return '2' }, [Symbol.toPrimit"
            "ive]: () => 2 } }"
        ),
        WRONG,
        "failed",
    ),
    "proxy": (
        (
            "function f(){ return new Proxy({}, { get: ()=>2, ownKeys: ()=>[], getPrototypeOf: ()=>Nu"
            "mber.prototype }) }"
        ),
        "assert.deepStrictEqual(f(), 2)",
        "failed",
    ),
    "unhandled": (
        "Promise.reject(new Error('x'))",
        "await new Promise(r=>setTimeout(r,50)); assert.ok(1)",
        "failed",
    ),
    "unhandled in tests": (
        "function f(){ return 1 }\n",
        "assert.equal(f(),1); Promise.reject(new Error('x'))",
        "failed",
    ),
    "endless output": ("for(;;) console.log('x'.repeat(1000))", WRONG, "output"),
    "endless stderr": ("for(;;) process.stderr.write('x'.repeat(1000))", WRONG, "output"),
    "output tests": ("function f(){ return 1 }\n", "for(;;) console.log('x'.repeat(1000))", "output"),
    "worker": (
        (
            "const {Worker}=require('worker_threads'); new Worker('for(;;){}',{eval:true}); function "
            "f(){return 1}"
        ),
        WRONG,
        "failed",
    ),
    "workers": (
        (
            "const {Worker}=require('worker_threads'); for(let k=0;k<200;k++) new Worker('setInterval"
            "(()=>{},1000)',{eval:true}).on('error',()=>{});"
        ),
        WRONG,
        "failed",
    ),
    "worker answers": (
        (
            "const {Worker}=require('worker_threads'); new Worker(`const fs=require('fs'); for(;;) fo"
            'r(let k=0;k<40;k++){ try { fs.writeSync(k,\'["passed","",9,false]\') } catch {} }`,{eval:t'
            "rue}); function f(){return 1}"
        ),
        WRONG,
        "failed",
    ),
    "kill parent": ("process.kill(process.ppid||1,9)", WRONG, "blocked"),
    "kill all": ("process.kill(-1,9)", WRONG, "blocked"),
    "kill self": ("process.kill(process.pid,9)", WRONG, "crashed"),
    "inspector": ("require('inspector').open()", WRONG, "failed"),
    "dlopen": ("process.dlopen({exports:{}}, '/lib/x86_64-linux-gnu/libc.so.6')", WRONG, "failed"),
    "tester's Function": (
        "function f(g){ return g.constructor('return process')().exit(0) }",
        "assert.strictEqual(f(()=>1), 2)",
        "failed",
    ),
    "tester's async Function": (
        (
            "function f(g){ const F=Object.getPrototypeOf(g).constructor; F('return require')(); retu"
            "rn F.call.call(F,null,'fs') }"
        ),
        "assert.strictEqual(f(async ()=>1), 2)",
        "failed",
    ),
    "pollute": (
        (
            "function f(o){ o.__proto__.strictEqual=1; o['__proto__']={x:1}; return JSON.parse('{\"__p"
            'roto__":{"a":1}}\') }'
        ),
        "const o={g(){}}; f(o); assert.strictEqual({}.a, 1)",
        "failed",
    ),
    "deep": ("function f(){ let a=[]; for(let k=0;k<1e5;k++) a=[a]; return a }", WRONG, "failed"),
    "huge": ("function f(){ return 'x'.repeat(2**28) }", WRONG, "memory"),
    "regex": ("/(a+)+$/.test('a'.repeat(64)+'b')", WRONG, "timeout"),
    "swallow": (
        "function f(){ return 1 }\n",
        "try { assert.strictEqual(f(),2) } catch { console.log('no') }",
        "failed",
    ),
    "nothing": ("function f(){ return 1 }\n", "f();", "failed"),
    "none": ("function f(){ return 1 }\n", "", "failed"),
    "comment": ("function f(){ return 1 }\n", "// TODO", "failed"),
    "broken": ("function f( {", WRONG, "unparsable"),
    "broken tests": ("function f(){ return 1 }\n", "assert.(", "unparsable_tests"),
    "ts": ("function f(x: number): number { return x }", WRONG, "unparsable"),
    "esm broken": ("export function f( {", WRONG, "unparsable"),
}


@pytest.fixture(scope="module")
def node() -> Runtime:
    found = find_node()
    if isinstance(found, str):
        pytest.skip(f"JavaScript is run by node, and {found}")
    return found


@pytest.fixture(scope="module", params=LEVELS)
def any_node_room(request: pytest.FixtureRequest, node: Runtime) -> Iterator[Room]:
    try:
        check_level(request.param)
    except SandboxError as exc:
        pytest.skip(f"needs a sandbox of level {request.param}: {exc.seen}")
    with Room(request.param, node) as room:
        yield room


@pytest.fixture(scope="module")
def node_room(node: Runtime) -> Iterator[Room]:
    with Room(None, node) as room:
        yield room


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_pair_passes_and_fails_when_it_is_run_in_another_way(node_room: Room, name: str) -> None:
    solution, tests = HONEST[name]
    outcome = node_room.run(solution, tests)
    assert (outcome.status, outcome.reason) == ("passed", "")
    assert outcome.checks >= 1
    assert any(node_room.run(solution, tests, mode=mode).refuted for mode in (NOTHING, CHANGED, INNER))


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_wrong_or_hostile_never_passes(node_room: Room, name: str) -> None:
    solution, tests, status = HOSTILE[name]
    outcome = node_room.run(solution, tests, QUICK)
    if outcome.status != "timeout":  # a busy machine may end any of them by time
        assert outcome.status == status, outcome.reason
    assert outcome.reason


def test_every_level_runs_honest_pairs_and_contains_what_wants_out(any_node_room: Room) -> None:
    outcomes = [any_node_room.run(*HONEST[name]) for name in ("stack class", "async", "esm")]
    assert [outcome.status for outcome in outcomes] == ["passed"] * 3
    wants_out = (
        "read passwd",
        "write",
        "spawnSync",
        "tcp",
        "kill parent",
        "buffers",
        "exit 0",
        "marker on every file",
    )
    for name in wants_out:
        outcome = any_node_room.run(*HOSTILE[name][:2], QUICK)
        assert outcome.status != "passed", name


def test_memory_is_bounded_though_v8_reserves_more_than_there_is(node_room: Room) -> None:
    held = (
        "let mb = 0;\nfunction fill() {\n  const all = [];\n  try { for (;;) { all.push(Buffer.alloc(1 << 24, 1)); mb += 16; } }"
        " catch { return mb; }\n}"
    )
    for memory_mb, most in ((128, 384), (512, 768)):
        tests = f"const mb = fill(); assert.ok(mb >= {memory_mb // 2} && mb <= {most}, String(mb));"
        outcome = node_room.run(held, tests, Limits(memory_mb=memory_mb), confirmed=False)
        assert outcome.status == "passed", outcome.reason


def test_an_endless_heap_ends_as_memory(node_room: Room) -> None:
    grow = "const x = []; for (;;) x.push(new Array(1000).fill({}));"
    assert node_room.run(grow, WRONG, Limits(cpu_s=8, wall_s=20, memory_mb=64)).status == "memory"


def test_a_run_leaves_nothing_to_the_next_one(node_room: Room) -> None:
    node_room.run(
        "globalThis.left = 1; require('fs').writeFileSync('left', 'x'); function f() { return 1 }",
        "assert.equal(f(), 1)",
    )
    look = "const f = () => [typeof left, require('fs').existsSync('left')];"
    assert node_room.run(look, "assert.deepStrictEqual(f(), ['undefined', false])").status == "passed"


def test_many_pairs_of_both_languages_are_run_in_rooms_of_their_own(node: Runtime) -> None:
    pairs = [("const x = 1;", f"assert.equal(x, {k})") for k in (1, 2, 1)]
    statuses = [outcome.status for outcome in run_many(pairs, runtime=node, workers=2)]
    assert statuses == ["passed", "failed", "passed"]
    assert run_many([("x = 1", "assert x == 1")], workers=1)[0].status == "passed"


def test_the_node_that_is_found_is_one_that_holds(node: Runtime) -> None:
    assert find_javascript() == node
    assert node.language == JAVASCRIPT_LANGUAGE
    assert node.version.startswith("node v")
    assert node.program in node.files
