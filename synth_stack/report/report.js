const { figures, rows, pictures } = JSON.parse(document.getElementById("data").textContent);
const pick = drawRows(rows);
drawFunnel(figures);
if (figures.generated) {
  drawBalance(figures);
  drawReasons(figures, pick);
  drawSelfTests(figures);
  drawSheets(pictures.sheets, pick);
  drawScores(figures);
  drawDistributions(pictures.distributions);
  drawMap(pictures.map, pick);
  drawGroups("slices", "slice", figures.slices, pick);
  drawGroups("generators", "generator", figures.generators, pick);
  drawGroups("locales", "locale", figures.locales, pick);
} else {
  for (const id of ["reasons", "self-tests", "images", "scores", "distributions", "map", "slices", "generators", "locales"]) section(id).remove();
}
document.documentElement.dataset.drawn = "yes";
