// Everything that comes from a row passes through here: it becomes text nodes, never markup.

// Controls, format characters (bidi overrides, zero-width), line and paragraph separators, private use,
// and whatever else draws nothing by default. A new line, a tab, and the selectors and joiners that
// belong to an emoji or to Arabic and Indic spelling are what they seem.
const UNSEEN = new RegExp(
  [
    "\\r(?=\\n)",
    "(?<=[\\p{Extended_Pictographic}\\p{Emoji_Modifier}#*0-9])\\uFE0F",
    "(?<=[\\p{Extended_Pictographic}\\p{Emoji_Modifier}\\uFE0F])\\u200D(?=\\p{Extended_Pictographic})",
    "(?<=[\\p{Script=Arabic}\\p{Script=Devanagari}\\p{Script=Bengali}\\p{Script=Malayalam}\\p{Script=Sinhala}])[\\u200C\\u200D]",
    "(?![\\n\\t])([\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}\\p{Cs}\\p{Co}\\p{Default_Ignorable_Code_Point}])",
  ].join("|"),
  "gu",
);

const codeOf = (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;

/** `text` with each unseen character spelt out, for the few places that take no elements. */
const spell = (text) => text.replace(UNSEEN, (whole, unseen) => (unseen ? codeOf(unseen) : whole));

/** Nodes for `text`, with each unseen character as a small tag. */
function reveal(text) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(UNSEEN)) {
    if (!match[1]) continue;
    const tag = document.createElement("span");
    tag.className = "unseen";
    tag.textContent = codeOf(match[1]);
    nodes.push(text.slice(from, match.index), tag);
    from = match.index + match[0].length;
  }
  nodes.push(text.slice(from));
  return nodes;
}

/** An element; strings among the children are shown with `reveal`, null ones are left out. */
function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (typeof child === "string") element.append(...reveal(child));
    else if (child) element.append(child);
  }
  return element;
}

/** The pieces of a name, which may wrap after each of its marks: a code is one word for a browser. */
const breakable = (name) =>
  name.split(/(?<=[_/.:-])(?=.)/u).flatMap((piece, at) => (at ? [make("wbr"), piece] : [piece]));

/** At most `size` characters of `text`, none of them torn. */
function shorten(text, size) {
  const points = Array.from(text);
  return points.length > size ? `${points.slice(0, size - 1).join("")}…` : text;
}

const formatRatio = (x) => x.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const formatCount = (n) => n.toLocaleString("en");
const countRows = (n) => (n === 1 ? "1 row" : `${formatCount(n)} rows`);
const formatScore = (x) => x.toLocaleString("en", { maximumSignificantDigits: 4 });
/** Scores of one column, their decimal points below each other where they are of ordinary size. */
const alignScore = (x) => (Math.abs(x) < 100 ? x.toFixed(4) : formatScore(x));

/** A share with one decimal; 0% and 100% only where they are exact. */
function formatShare(part, whole) {
  if (!part || !whole) return "0%";
  if (part === whole) return "100%";
  const percent = (100 * part) / whole;
  if (percent < 0.1) return "<0.1%";
  return percent > 99.9 ? ">99.9%" : `${percent.toFixed(1)}%`;
}

/** Nodes for `text` with the ranges (UTF-16 offsets, ascending, apart) marked. */
function highlight(text, ranges) {
  const nodes = [];
  let from = 0;
  for (const [start, end] of ranges) {
    nodes.push(text.slice(from, start), make("mark", {}, text.slice(start, end)));
    from = end;
  }
  return [...nodes, text.slice(from)];
}

/** The UTF-16 range of a span given in code points, as gates count (`span` may be its beginning only);
 * null where the span is not there. */
function locate(text, span, start, end) {
  if (Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start < end) {
    const points = Array.from(text);
    const from = points.slice(0, start).join("").length;
    const found = points.slice(start, end).join("");
    if (end <= points.length && (typeof span !== "string" || found.startsWith(span)))
      return [from, from + found.length];
  }
  const at = typeof span === "string" && span ? text.indexOf(span) : -1;
  return at < 0 ? null : [at, at + span.length];
}

// Scripts that write without spaces count one word a character.
const WORD =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|(?:(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}])[\p{L}\p{M}\p{N}_])+/gu;

function splitWords(text) {
  return Array.from(text.matchAll(WORD), (m) => ({
    key: m[0].normalize("NFKC").toLowerCase(),
    start: m.index,
    end: m.index + m[0].length,
  }));
}

/** The runs of words that two texts share: three in a row where there are such, else two, else long words. */
function findShared(left, right) {
  const [a, b] = [splitWords(left), splitWords(right)];
  for (const size of [3, 2, 1]) {
    const [inLeft, inRight] = [gramsOf(a, size), gramsOf(b, size)];
    const ranges = [coverShared(a, inRight, size), coverShared(b, inLeft, size)];
    if (ranges[0].length) return { size, left: ranges[0], right: ranges[1] };
  }
  return { size: 0, left: [], right: [] };
}

const gramAt = (words, i, size) =>
  words
    .slice(i, i + size)
    .map((w) => w.key)
    .join(" ");

function gramsOf(words, size) {
  const grams = new Set();
  for (let i = 0; i + size <= words.length; i++) grams.add(gramAt(words, i, size));
  return grams;
}

function coverShared(words, grams, size) {
  const ranges = [];
  let last = -1;
  for (let i = 0; i + size <= words.length; i++) {
    const gram = gramAt(words, i, size);
    if (!grams.has(gram) || (size === 1 && gram.length < 4)) continue;
    if (i <= last && ranges.length) ranges[ranges.length - 1][1] = words[i + size - 1].end;
    else ranges.push([words[i].start, words[i + size - 1].end]);
    last = i + size;
  }
  return ranges;
}
