// Small images by slice and decision, and twins side by side.

const SHEETS_NOTE =
  "Up to eight images of each slice and decision, drawn by their ids; a framed one beside an image is what steered it. " +
  "A click shows the row.";

function drawSheets(told, pick) {
  const host = section("images");
  if (!told) return host.remove();
  host.append(make("p", { class: "note" }, SHEETS_NOTE));
  const bySlice = Map.groupBy
    ? Map.groupBy(told.sheets, (sheet) => sheet.slice)
    : told.sheets.reduce((map, sheet) => map.set(sheet.slice, [...(map.get(sheet.slice) ?? []), sheet]), new Map());
  for (const [slice, sheets] of bySlice) {
    const lines = sheets.map((sheet) =>
      make(
        "div",
        { class: "sheet" },
        make("span", { class: `decision ${sheet.decision}` }, sheet.decision),
        make("ul", {}, sheet.images.map((each) => make("li", {}, smallImage(each, sheet.decision, pick)))),
      ),
    );
    host.append(make("h3", {}, slice || "no slice"), ...lines);
  }
  if (told.left_out) host.append(make("p", { class: "note" }, `${formatCount(told.left_out)} smaller slices are not shown.`));
  if (told.twins.length) host.append(make("h3", {}, "Twins"), make("ul", { class: "twins" }, told.twins.map((pair) => twinPair(pair, pick))));
}

function twinPair(pair, pick) {
  const score = pair.score === null ? "" : `, ${formatScore(pair.score)}`;
  return make(
    "li",
    {},
    smallImage(pair.row, "rejected", pick),
    smallImage(pair.twin, "its twin", pick),
    make("span", { class: "muted" }, `${pair.gate}${score}`),
  );
}

/** An image of a row, with what steered it, as a button that shows the row. */
function smallImage(each, what, pick) {
  const picture = each.image
    ? make("img", { src: each.image, alt: `${what}: row ${each.row_id.slice(0, 8)}` })
    : make("span", { class: "gone" }, "no image");
  const condition = each.condition ? make("img", { class: "condition", src: each.condition, alt: "its condition" }) : null;
  return make("button", { class: "small", type: "button", click: () => pick({ text: each.row_id }) }, picture, condition);
}
