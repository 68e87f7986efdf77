const { figures, rows, pictures } = JSON.parse(document.getElementById("data").textContent);
const pick = drawRows(rows);
drawFunnel(figures);
if (figures.generated) {
  drawBalance(figures);
  drawReasons(figures, pick);
  drawSelfTests(figures);
  drawSliceBalance(pictures.balance, pick);
  drawSheets(pictures.sheets, pick);
  drawScores(figures);
  drawYields(pictures.yields, rows, pick);
  drawBeside(pictures.beside);
  drawDistributions(pictures.distributions);
  drawMap(pictures.map, pictures.clusters, pick);
  drawClusters(pictures.clusters, pick);
  drawHeat(pictures.heat, pick);
  drawGroups("slices", "slice", figures.slices, pick);
  drawGroups("generators", "generator", figures.generators, pick);
  drawGroups("locales", "locale", figures.locales, pick);
  drawCosts(pictures.costs);
} else {
  for (const gone of document.querySelectorAll("main section:not(#funnel, #rows, #review)")) gone.remove();
}
document.documentElement.dataset.drawn = "yes";
