// The Merkle tree of RFC 6962 over the records, the tiles of a pack, and its records line by line.
const LEAF = Uint8Array.of(0), NODE = Uint8Array.of(1), HASH_BYTES = 32, TILE_HEIGHT = 8;
const leafHash = (bytes) => sha256(LEAF, bytes);
const nodeHash = (left, right) => sha256(NODE, left, right);

class GrowingTree {
  constructor(onTile) {
    this.nodes = [];
    this.size = 0;
    this.onTile = onTile;
  }

  add(leaf) {
    let node = leaf, level = 0;
    this.onTile?.(0, node);
    while (this.nodes[level]) {
      node = nodeHash(this.nodes[level], node);
      this.nodes[level++] = null;
      if (level % TILE_HEIGHT === 0) this.onTile?.(level / TILE_HEIGHT, node);
    }
    this.nodes[level] = node;
    this.size++;
  }

  root() {
    let found = null;
    for (const node of this.nodes)
      if (node) found = found === null ? node : nodeHash(node, found);
    return toHex(found ?? sha256());
  }
}

// The tile files, read whole (32 bytes a row) and compared along with the tree that grows.
class StoredTiles {
  static async open(pack, size) {
    const tiles = new StoredTiles(), level = (number) => Math.floor(size / 2 ** (TILE_HEIGHT * number));
    const names = [];
    for (let number = 0; number === 0 || level(number); number++) {
      const name = `${RULES.tiles}/${number}.bin`, wanted = level(number) * HASH_BYTES;
      if (pack.size(name) !== wanted) throw new Refusal(`${name} is not of the length that its leaves give`, pack.size(name) ?? 0, `${wanted} bytes`);
      names.push(name);
    }
    const extra = pack.names.find((name) => name.startsWith(`${RULES.tiles}/`) && !names.includes(name));
    if (extra) throw new Refusal(`${extra} belongs to no level of the tree`);
    tiles.levels = [];
    for (const name of names) tiles.levels.push(await pack.read(name, 2 ** 31));
    tiles.at = names.map(() => 0);
    return tiles;
  }

  compare(level, node) {
    const number = this.at[level]++, stored = this.levels[level]?.subarray(number * HASH_BYTES, (number + 1) * HASH_BYTES);
    if (!stored || !equalBytes(stored, node)) throw new Refusal(`${RULES.tiles}/${level}.bin: hash ${number} is not what its leaves give`);
  }
}

function listRecords(pack) {
  const found = pack.names.filter((name) => RECORDS_FORM.test(name));
  for (let number = 0; number < Math.max(found.length, 1); number++) {
    const wanted = `lineage/records-${String(number).padStart(5, "0")}.jsonl.gz`;
    if (found[number] !== wanted) throw new Refusal(`${wanted} is missing`);
  }
  return found;
}

// The records of one file as bytes, each of at most so many.
async function* readLines(pack, name) {
  if (!pack.size(name)) throw new Refusal(`${name} is not a readable gzip file: it ends before its end`);
  const start = toHex(new Uint8Array(await readPart(pack.files.get(name).slice(0, RULES.gzip_start.length / 2), name)));
  if (start !== RULES.gzip_start) throw new Refusal(`${name} does not begin as packs have it: a name, a time or another format`);
  const reader = pack.files.get(name).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  let held = new Uint8Array(0);
  try {
    for (;;) {
      let done, value;
      try {
        ({ done, value } = await reader.read());
      } catch {
        throw new Refusal(`${name} is not a readable gzip file: its stream is broken`);
      }
      if (done) break;
      let from = 0;
      for (let end = value.indexOf(10); end >= 0; end = value.indexOf(10, from)) {
        yield join(held, value.subarray(from, end));
        held = new Uint8Array(0);
        from = end + 1;
      }
      held = join(held, value.subarray(from));
      if (held.length > RULES.max_record_bytes) throw new Refusal(`${name}: a line is too long`);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
  if (held.length) throw new Refusal(`${name}: its last line does not end`);
}

function join(one, other) {
  if (!one.length) return other;
  const whole = new Uint8Array(one.length + other.length);
  whole.set(one);
  whole.set(other, one.length);
  return whole;
}

// Whether an audit path leads from a leaf hash to the root (RFC 9162, 2.1.3.2). Sizes are below 2^53.
function isIncluded(leaf, index, size, path, root) {
  if (index < 0 || index >= size) return false;
  let position = index, last = size - 1, node = leaf;
  const half = (number) => Math.floor(number / 2);
  for (const sibling of path) {
    if (last === 0) return false;
    if (position % 2 || position === last) {
      node = nodeHash(sibling, node);
      while (position && position % 2 === 0) [position, last] = [half(position), half(last)];
    } else node = nodeHash(node, sibling);
    [position, last] = [half(position), half(last)];
  }
  return last === 0 && toHex(node) === root;
}
