const { figures, rows } = JSON.parse(document.getElementById("data").textContent);
const pick = drawRows(rows);
drawFunnel(figures);
if (figures.generated) {
  drawBalance(figures);
  drawReasons(figures, pick);
  drawSelfTests(figures);
  drawScores(figures);
  drawGroups("slices", "slice", figures.slices, pick);
  drawGroups("generators", "generator", figures.generators, pick);
  drawGroups("locales", "locale", figures.locales, pick);
} else {
  for (const id of ["reasons", "self-tests", "scores", "slices", "generators", "locales"]) section(id).remove();
}
document.documentElement.dataset.drawn = "yes";
