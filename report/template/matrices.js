// --- QK and OV of a head, in the basis of values -----------------------------------------------------------------

const SIDE = 40; // rows and columns shown of a matrix

/** A Bᵀ of two matrices by rows, or A B where `across` is false: entries other than 0 as row -> column -> number. */
function product(a, b, transposed) {
  const found = new Map();
  const add = (r, c, x) => {
    if (!found.has(r)) found.set(r, new Map());
    found.get(r).set(c, (found.get(r).get(c) || 0) + x);
  };
  a.rows.forEach((row, r) => row.at.forEach((c, j) => {
    if (transposed) b.rows.forEach((other, s) => { const k = other.at.indexOf(c); if (k >= 0) add(r, s, row.numbers[j] * other.numbers[k]); });
    else b.rows[c].at.forEach((column, k) => add(r, column, row.numbers[j] * b.rows[c].numbers[k]));
  }));
  return found;
}

/** A table of the entries other than 0, rows and columns named. */
function matrixTable(entries, rowName, columnName, scale) {
  const rows = [...entries.keys()].sort((x, y) => x - y), columns = [...new Set(rows.flatMap((r) => [...entries.get(r).keys()]))].sort((x, y) => x - y);
  if (!rows.length) return make("p", { className: "note" }, "all zero");
  const most = Math.max(...rows.flatMap((r) => [...entries.get(r).values()].map(Math.abs)));
  const cut = rows.length > SIDE || columns.length > SIDE;
  const shownRows = rows.slice(0, SIDE), shownColumns = columns.slice(0, SIDE);
  const body = shownRows.map((r) => make("tr", {}, make("th", { scope: "row" }, rowName(r)), ...shownColumns.map((c) => {
    const value = entries.get(r).get(c) || 0, cell = make("td", {}, value === 0 ? "" : number(value / scale));
    if (value !== 0) cell.style.background = `rgb(${colour(value > 0 ? "--positive" : "--negative")} / ${(0.12 + 0.3 * Math.abs(value) / most).toFixed(3)})`.replace(/(\d+), (\d+), (\d+)/, "$1 $2 $3");
    return cell;
  })));
  const table = make("table", { className: "matrix" }, make("thead", {}, make("tr", {}, make("td"), ...shownColumns.map((c) => make("th", { scope: "col" }, columnName(c))))), make("tbody", {}, ...body));
  return cut ? make("div", {}, table, make("p", { className: "note" }, `${shownRows.length} of ${rows.length} rows and ${shownColumns.length} of ${columns.length} columns are shown`)) : table;
}

function setUpMatrices(page) {
  const { model, weights } = page;
  return function show() {
    if (!model.heads.length) { fill("qk"); fill("ov"); return; }
    const { block, head, name, does } = model.heads[page.head], own = weights.blocks[block - 1];
    const before = (dim) => holder(model, dim, block - 1) || `dim ${dim}`, after = (dim) => holder(model, dim, block) || `dim ${dim}`;
    const compact = model.style === "compact", adds = compact && does.startsWith("total"), scale = !compact ? 1 : adds ? model.tally : model.grid, factor = adds ? Math.exp(model.tally) : 1;
    $("matrices-note").textContent = `Of block ${block}, head ${head} (${name}). Rows and columns are cells of the residual stream, named by the value they hold; empty cells are 0.`;
    fill("qk-title", scale === 1 ? "W_Q W_Kᵀ in nats: query down, key across" : `W_Q W_Kᵀ in units of ${scale} nats: query down, key across`);
    fill("ov-title", adds ? `W_V W_O in units of e^${model.tally}: read down, written across` : "W_V W_O: read down, written across");
    fill("qk", matrixTable(product(own.Q[head], own.K[head], true), before, before, scale));
    const ov = product(own.V[head], own.O[head], false);
    for (const row of ov.values()) for (const [c, value] of row) row.set(c, adds ? Number((value / factor).toPrecision(7)) : value);
    fill("ov", matrixTable(ov, before, after, 1));
  };
}
