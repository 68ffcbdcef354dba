// Equity and drawdown, with or without buy-and-hold.

let curveShown = "both";

function drawCurve() {
  const { t, equity, held, fall, heldFall } = report.curve;
  const box = byId("curve");
  if (!t.length) {
    box.textContent = "No candle was traded on.";
    return;
  }
  const x = t.map((seconds) => seconds * 1000);
  const visible = curveShown === "both";
  const line = (name, y, tone, more) => Object.assign({
    type: "scatter", mode: "lines", name, x, y, line: { color: color(tone), width: 1.4 }, hoverinfo: "x+y+name",
  }, more);
  const below = { yaxis: "y2", hovertemplate: "%{y:.2f} %" };
  const above = { hovertemplate: `%{y:,.${report.decimals}f}` };
  const thin = { color: color("hold"), width: 1 };
  Plotly.react(box, [
    line("Buy & hold", held, "hold", { ...above, line: thin, visible }),
    line("Account", equity, "accent", { ...above, line: { color: color("accent"), width: 1.8 } }),
    line("Drawdown, hold", heldFall, "hold", { ...below, line: thin, visible, showlegend: false }),
    line("Drawdown", fall, "loss", { ...below, fill: "tozeroy", fillcolor: shade("loss", 0.16), showlegend: false }),
  ], layout({
    showlegend: true,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", bgcolor: "rgba(0,0,0,0)" },
    margin: { l: narrow() ? 48 : 62, r: narrow() ? 8 : 14, t: 30, b: 42 },
    hovermode: "x unified",
    xaxis: axis({ type: "date", anchor: "y2", hoverformat: "%Y-%m-%d %H:%M" }),
    yaxis: axis({ domain: [0.36, 1], tickformat: ",.10~r", autorange: true }),
    yaxis2: axis({ domain: [0, 0.28], ticksuffix: " %", autorange: true, nticks: 4 }),
  }), chartOptions("equity"));
}

for (const button of document.querySelectorAll("[data-curves]")) {
  button.addEventListener("click", () => {
    curveShown = button.dataset.curves;
    for (const other of document.querySelectorAll("[data-curves]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    drawCurve();
  });
}
redraws.push(drawCurve);
