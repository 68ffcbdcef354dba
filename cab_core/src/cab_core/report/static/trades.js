// The table of trades: sorting, filtering, choosing a row, saving as CSV.

const PAGE = 100;
// Sums of float64 that are no more than this are the rest of rounding.
const NOTHING = 1e-12;
const ledger = byId("ledger");

function cellKey(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
  return column === 0 ? Number(cell.textContent) : cell.textContent.trim();
}

function startTrades() {
  const body = ledger.tBodies[0];
  const rows = [...body.rows];
  const texts = new Map(rows.map((row) => [row, (row.textContent + " " + row.dataset.votes).toLowerCase()]));
  const heads = ledger.tHead.querySelectorAll("th");
  const controls = ["search", "result", "reason", "symbol"].map(byId).filter(Boolean);
  let all = false;

  function filtered() {
    const value = (id) => byId(id)?.value ?? "";
    const words = value("search").toLowerCase().split(/\s+/).filter(Boolean);
    return rows.filter((row) =>
      words.every((word) => texts.get(row).includes(word))
      && (!value("result") || row.dataset.sign === value("result"))
      && (!value("reason") || row.dataset.reasons.split(" ").includes(value("reason")))
      && (!value("symbol") || row.dataset.symbol === value("symbol")));
  }

  function refresh() {
    const kept = filtered();
    const visible = new Set(all ? kept : kept.slice(0, PAGE));
    for (const row of rows) row.hidden = !visible.has(row);
    const total = kept.reduce((sum, row) => sum + Number(row.dataset.pnl), 0);
    byId("count").textContent = `${kept.length} of ${rows.length} trades · PnL ${signed(total)}`;
    byId("more").hidden = visible.size === kept.length;
    byId("more").textContent = `Show all ${kept.length}`;
  }

  function sortBy(column) {
    const head = heads[column];
    const descending = head.getAttribute("aria-sort") === "ascending";
    for (const other of heads) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    rows.sort((a, b) => {
      const [x, y] = [cellKey(a, column), cellKey(b, column)];
      return (x < y ? -1 : x > y ? 1 : 0) * (descending ? -1 : 1);
    });
    body.append(...rows);
    refresh();
  }

  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => sortBy(column)));
  for (const control of controls) control.addEventListener("input", refresh);
  byId("more").addEventListener("click", () => {
    all = true;
    refresh();
  });
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (!row || window.getSelection().toString()) return;
    showTrade(report.trades[Number(row.dataset.i) - 1]);
    byId("market").scrollIntoView({ behavior: "smooth" });
  });
  window.markRow = (number) => {
    for (const row of rows) row.classList.toggle("chosen", Number(row.dataset.i) === number);
  };
  refresh();
}

// The one figure that is added up here, by the rule of all others: the currency's decimals, the value's sign.
function signed(total) {
  const value = Math.abs(total) < NOTHING ? 0 : total;
  const text = value.toFixed(report.decimals);
  const shown = value && !Number(text) ? value.toFixed(1 - Math.floor(Math.log10(Math.abs(value)))) : text;
  return (value > 0 ? "+" : "") + shown;
}

function csvOf(table) {
  const quoted = (text) => '"' + text.trim().replaceAll('"', '""') + '"';
  return [...table.rows]
    .map((row) => [...row.cells].map((cell) => quoted(cell.textContent)).join(","))
    .join("\r\n");
}

byId("csv").hidden = !ledger;
byId("csv").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csvOf(ledger)], { type: "text/csv" }));
  link.download = "trades.csv";
  link.click();
  URL.revokeObjectURL(link.href);
});

drawCurve();
startMarket();
if (ledger) startTrades();
