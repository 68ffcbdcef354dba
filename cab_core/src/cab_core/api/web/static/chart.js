// The crosshair over the charts: by mouse, finger or arrow keys. The drawing itself comes from the server.

const held = new Map();

const columnsOf = (figure) => JSON.parse(figure.querySelector("script").textContent);
const utc = (seconds) => new Date(1000 * seconds).toISOString().slice(0, 16).replace("T", " ");

function told(columns, place) {
  const at = `${utc(columns.t[place])} UTC`;
  if (columns.told === undefined) return `${at}   equity ${columns.equity[place]}   drawdown ${columns.fall[place]}`;
  return `${at}   ${columns.told[place]}`;
}

function point(figure, place) {
  const columns = columnsOf(figure);
  const count = columns.t.length;
  const shown = Math.min(Math.max(place, 0), count - 1);
  const candles = columns.told !== undefined;
  const at = candles ? (100 * (shown + 0.5)) / count : (100 * shown) / (count - 1);
  for (const line of figure.querySelectorAll(".cross")) {
    line.setAttribute("x1", at + "%");
    line.setAttribute("x2", at + "%");
    line.setAttribute("visibility", "visible");
  }
  figure.querySelector(".readout").textContent = told(columns, shown);
  return columns.t[shown];
}

function leave(figure) {
  for (const line of figure.querySelectorAll(".cross")) line.setAttribute("visibility", "hidden");
  rest(figure);
}

// Without a crosshair the readout tells the newest point.
function rest(figure) {
  const columns = columnsOf(figure);
  figure.querySelector(".readout").textContent = told(columns, columns.t.length - 1);
}

function placeOf(figure, event) {
  const box = figure.querySelector(".plot").getBoundingClientRect();
  const columns = columnsOf(figure);
  const share = (event.clientX - box.left) / box.width;
  return columns.told === undefined ? Math.round(share * (columns.t.length - 1)) : Math.floor(share * columns.t.length);
}

function openTrace(figure, stamp) {
  const columns = columnsOf(figure);
  if (!columns.symbol || stamp === undefined) return;
  location.assign(`/trace/at?symbol=${encodeURIComponent(columns.symbol)}&t=${1000 * stamp}`);
}

const figureOf = (event) => event.target.closest?.("[data-candles], [data-curve]");

document.addEventListener("pointermove", (event) => {
  const figure = figureOf(event);
  for (const each of document.querySelectorAll("[data-candles], [data-curve]")) {
    if (each !== figure && held.delete(each)) leave(each);
  }
  if (figure) held.set(figure, point(figure, placeOf(figure, event)));
});

document.addEventListener("click", (event) => {
  const figure = figureOf(event);
  if (!figure || event.target.closest("a") || !event.target.closest(".plot")) return;
  openTrace(figure, point(figure, placeOf(figure, event)));
});

document.addEventListener("keydown", (event) => {
  const figure = document.activeElement === event.target && event.target.matches("[data-candles], [data-curve]") && event.target;
  const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 }[event.key];
  if (!figure || (!step && event.key !== "Enter")) return;
  event.preventDefault();
  const columns = columnsOf(figure);
  const now = held.has(figure) ? columns.t.indexOf(held.get(figure)) : columns.t.length - 1;
  if (event.key === "Enter") return openTrace(figure, columns.t[now]);
  figure.querySelector(".readout").setAttribute("aria-live", "polite");
  held.set(figure, point(figure, now + step));
});

function settle() {
  document.querySelectorAll("[data-candles], [data-curve]").forEach(rest);
}

document.addEventListener("cab:fresh", () => { held.clear(); settle(); });
settle();
