// Candles of one symbol with its trades; zooming in redraws them at a finer timeframe.

// Above these, lines of stops and targets would only be dots.
const MOST_LEVELS = 40;
const COARSEST_LEVELS = 4 * 3600;
const view = { symbol: 0, from: 0, to: 0, chosen: null };

const symbolShown = () => report.symbols[view.symbol];
const tradesShown = () => report.trades.filter((trade) => trade.s === symbolShown().name);
const endOf = (trade) => trade.until ?? extentOf(symbolShown())[1];
const ms = (seconds) => seconds * 1000;
const tfName = (seconds) => (seconds % 86400 === 0 ? seconds / 86400 + "d" : seconds % 3600 === 0 ? seconds / 3600 + "h" : seconds / 60 + "m");

// Plotly reads some tags in hover texts.
const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function show(from, to) {
  const extent = extentOf(symbolShown());
  const least = 8 * 900;
  const middle = (from + to) / 2;
  view.from = Math.max(Math.min(from, middle - least), extent[0] - 86400 * 3);
  view.to = Math.min(Math.max(to, middle + least), extent[1] + 86400 * 3);
  drawMarket();
}

function showAll() {
  const extent = extentOf(symbolShown());
  if (!extent) return;
  const pad = (extent[1] - extent[0]) * 0.01;
  show(extent[0] - pad, extent[1] + pad);
}

function marks(trades) {
  const entries = { x: [], y: [], text: [], i: [] };
  const gains = { x: [], y: [], text: [], i: [] };
  const losses = { x: [], y: [], text: [], i: [] };
  const put = (into, at, price, text, trade) => {
    into.x.push(ms(at));
    into.y.push(price);
    into.text.push(text);
    into.i.push(report.trades.indexOf(trade));
  };
  for (const trade of trades) {
    const name = trade.i ? "#" + trade.i : "open";
    put(entries, trade.at, trade.entry, `<b>${name} entry ${trade.entryText}</b><br>${plain(trade.why)}<br>${plain(trade.votes)}`, trade);
    for (const sale of trade.exits) {
      put(sale.gain ? gains : losses, sale.at, sale.price, `<b>${name} ${plain(sale.text)}</b><br>PnL ${sale.pnl}`, trade);
    }
  }
  const size = trades.length > 200 ? 5 : trades.length > 60 ? 8 : 11;
  const trace = (points, symbol, tone) => ({
    type: "scatter", mode: "markers", x: points.x, y: points.y, text: points.text, customdata: points.i,
    hovertemplate: "%{text}<extra></extra>",
    marker: { symbol, size, opacity: size < 8 ? 0.7 : 1, color: color(tone), line: { color: color("panel"), width: symbol.endsWith("open") ? 1.6 : 0.7 } },
  });
  const lost = trace(losses, "triangle-down-open", "loss");
  lost.marker.line.color = color("loss");
  return [trace(entries, "triangle-up", "accent"), trace(gains, "triangle-down", "gain"), lost];
}

function levelLines(trades) {
  const lines = [["sl", "loss"], ["breakeven", "hold"], ["targets", "accent"], ["way", "soft"]].map(([name, tone]) => ({
    type: "scatter", mode: "lines", x: [], y: [], hoverinfo: "skip", name,
    line: { color: color(tone), width: 1.1, dash: name === "way" ? "solid" : "dash" }, opacity: name === "way" ? 0.5 : 0.9,
  }));
  const put = (line, x0, x1, y0, y1 = y0) => {
    line.x.push(ms(x0), ms(x1), null);
    line.y.push(y0, y1, null);
  };
  for (const trade of trades) {
    const end = endOf(trade);
    for (const sale of trade.exits) put(lines[3], trade.at, sale.at, trade.entry, sale.price);
    if (!trade.levels) continue;
    const [sl, tp1, tp2, breakeven] = trade.levels;
    const first = trade.exits.find((sale) => sale.why === "take_profit_1" && sale.at <= end);
    const turned = first ? first.at : end;
    put(lines[0], trade.at, turned, sl);
    put(lines[2], trade.at, turned, tp1);
    put(lines[2], trade.at, end, tp2);
    if (first) put(lines[1], turned, end, breakeven);
  }
  return lines;
}

function drawMarket() {
  const box = byId("candles");
  const symbol = symbolShown();
  const most = Math.max(120, Math.min(720, Math.floor(box.clientWidth / 2.2)));
  const bars = candlesBetween(symbol, view.from, view.to, most);
  const near = tradesShown().filter((trade) => endOf(trade) >= view.from && trade.at <= view.to);
  const chosen = view.chosen && near.includes(view.chosen) ? [view.chosen] : [];
  const levelled = near.length <= MOST_LEVELS && bars.tf <= COARSEST_LEVELS ? near : chosen;
  let low = Math.min(...bars.l, ...near.map((trade) => trade.entry));
  let high = Math.max(...bars.h, ...near.map((trade) => trade.entry));
  for (const trade of chosen) {
    if (!trade.levels) continue;
    low = Math.min(low, trade.levels[0]);
    high = Math.max(high, trade.levels[1]);
  }
  const pad = (high - low || high || 1) * 0.05;
  const candle = (tone, fill) => ({ line: { color: color(tone), width: 1 }, fillcolor: fill });
  Plotly.react(box, [
    {
      type: "candlestick", x: bars.t.map(ms), open: bars.o, high: bars.h, low: bars.l, close: bars.c, name: symbol.name,
      // A candle stands in the middle of its time, so that what fell within it is drawn on it.
      xperiod: ms(bars.tf), xperiod0: 0, xperiodalignment: "middle",
      increasing: candle("soft", "rgba(0,0,0,0)"), decreasing: candle("soft", color("soft")), hoverlabel: { split: false },
    },
    ...levelLines(levelled), ...marks(near),
  ], layout({
    hovermode: "closest",
    xaxis: axis({ type: "date", range: [ms(view.from), ms(view.to)], rangeslider: { visible: false }, hoverformat: "%Y-%m-%d %H:%M" }),
    yaxis: axis({ range: [low - pad, high + pad], tickformat: ",.10~r" }),
  }), chartOptions("market"));
  byId("shown").textContent = `${tfName(bars.tf)} candles · ${near.length} trade${near.length === 1 ? "" : "s"} in view`;
}

function chooseSymbol(index) {
  view.symbol = index;
  view.chosen = null;
  for (const tab of document.querySelectorAll("[data-symbol][role=tab]")) {
    tab.setAttribute("aria-selected", String(Number(tab.dataset.symbol) === index));
  }
}

function describe(trade) {
  const detail = byId("detail");
  detail.replaceChildren();
  const put = (label, value) => {
    const part = document.createElement("span");
    const name = document.createElement("b");
    name.textContent = label + " ";
    part.append(name, value);
    detail.append(part);
  };
  const clock = (seconds) => new Date(ms(seconds)).toISOString().slice(0, 16).replace("T", " ");
  put("Trade", trade.i ? "#" + trade.i : "still open");
  put("Entry", `${clock(trade.at)} at ${trade.entryText}, ${trade.why}`);
  if (trade.votes) put("Votes", trade.votes);
  for (const sale of trade.exits) put("Exit", `${clock(sale.at)} ${sale.text}, ${sale.pnl}`);
  if (trade.levels) {
    const [sl, tp1, tp2, breakeven] = trade.levelTexts;
    put("Levels", `stop ${sl} · break-even ${breakeven} · targets ${tp1}, ${tp2}`);
  }
  put("Trace", trade.trace);
  detail.hidden = false;
}

function showTrade(trade) {
  const index = report.symbols.findIndex((symbol) => symbol.name === trade.s);
  if (index !== view.symbol) chooseSymbol(index);
  view.chosen = trade;
  const span = Math.max(endOf(trade) - trade.at, 900);
  show(trade.at - Math.max(24 * 900, span * 0.4), endOf(trade) + Math.max(12 * 900, span * 0.25));
  describe(trade);
  if (window.markRow) window.markRow(trade.i);
}

function step(by) {
  const trades = tradesShown();
  if (!trades.length) return;
  const at = trades.indexOf(view.chosen);
  const next = at < 0 ? (by > 0 ? 0 : trades.length - 1) : (at + by + trades.length) % trades.length;
  showTrade(trades[next]);
}

function startMarket() {
  const box = byId("candles");
  if (!report.symbols.length || !extentOf(symbolShown())) {
    box.textContent = "There are no candles.";
    return;
  }
  showAll();
  redraws.push(drawMarket);
  box.on("plotly_relayout", (change) => {
    const range = change["xaxis.range"] ?? [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (change["xaxis.autorange"]) showAll();
    else if (range[0] !== undefined) show(...range.map((at) => (typeof at === "number" ? at : Date.parse(at.replace(" ", "T") + (at.includes(":") ? "Z" : ""))) / 1000));
  });
  box.on("plotly_click", (event) => {
    const at = event.points.find((point) => point.customdata !== undefined)?.customdata;
    if (at !== undefined) showTrade(report.trades[at]);
  });
  for (const tab of document.querySelectorAll("[data-symbol][role=tab]")) {
    tab.addEventListener("click", () => {
      chooseSymbol(Number(tab.dataset.symbol));
      showAll();
    });
  }
  for (const button of document.querySelectorAll("[data-days]")) {
    button.addEventListener("click", () => {
      const days = Number(button.dataset.days);
      if (!days) return showAll();
      const end = Math.min(view.to, extentOf(symbolShown())[1]);
      return show(end - days * 86400, end);
    });
  }
  byId("earlier").addEventListener("click", () => step(-1));
  byId("later").addEventListener("click", () => step(1));
}
