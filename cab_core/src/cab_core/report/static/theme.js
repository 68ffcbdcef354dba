"use strict";

const byId = (id) => document.getElementById(id);
const report = JSON.parse(byId("data").textContent);
const redraws = [];
const narrow = () => window.innerWidth < 640;
const darkPreferred = window.matchMedia("(prefers-color-scheme: dark)");

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

function shade(tone, strength) {
  return "rgba(" + color(tone + "-rgb").split(" ").join(",") + "," + strength + ")";
}

function axis(more) {
  return Object.assign({
    gridcolor: color("line"), linecolor: color("line"), zeroline: false, tickfont: { color: color("soft") },
    automargin: false, showspikes: false, nticks: narrow() ? 5 : undefined,
  }, more);
}

function layout(more) {
  return Object.assign({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: color("ink") },
    margin: { l: narrow() ? 48 : 62, r: narrow() ? 8 : 14, t: 8, b: 42 },
    dragmode: narrow() ? false : "zoom",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: color("soft"), activecolor: color("accent") },
    hoverlabel: {
      bgcolor: color("panel"), bordercolor: color("line"), align: "left", font: { color: color("ink"), size: 12 },
    },
  }, more);
}

function chartOptions(name) {
  return {
    displaylogo: false, responsive: true, displayModeBar: narrow() ? false : "hover",
    // Named one by one: the library's own selection has a button that uploads the chart.
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]], plotlyServerURL: "",
    toImageButtonOptions: { filename: name, scale: 2 },
  };
}

function redrawAll() {
  for (const redraw of redraws) redraw();
}

byId("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : darkPreferred.matches;
  root.dataset.theme = dark ? "light" : "dark";
  redrawAll();
});
darkPreferred.addEventListener("change", redrawAll);
window.matchMedia("(max-width: 639px)").addEventListener("change", redrawAll);
