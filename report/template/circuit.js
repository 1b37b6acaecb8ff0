// --- the circuit -------------------------------------------------------------------------------------------------

const LEVEL = 74, TALL = 36, APART = 16; // of the drawing: from row to row, of a part, between parts

function setUpCircuit(page) {
  const { parts, edges } = page.model.circuit, { model } = page;
  let clears = false, chosen = null;

  const valueNamed = (name) => model.values.findIndex((value) => value.name === name);
  const headOf = (part) => model.heads.findIndex((head) => part.kind === "head" && head.block === part.block && head.head === part.head);
  const titleOf = (part) => (part.kind === "head" ? model.heads[headOf(part)].name : { token: "W_E", position: "W_pos", unembed: "W_U", clear: "clear" }[part.kind] || part.values.join(", "));
  const roleOf = (part) => ({ token: "embedding", position: "positions", unembed: "logits" }[part.kind] || (part.kind === "head" ? `head → ${part.values.join(", ")}` : "MLP"));
  const cut = (text) => ([...text].length > 28 ? `${[...text].slice(0, 27).join("")}…` : text);

  /** Rows of parts by block; in a row, parts stand near what they read. */
  function placed() {
    const used = parts.filter((part) => clears || part.kind !== "clear");
    const blocks = [...new Set(used.map((part) => part.block))].sort((a, b) => a - b);
    const at = new Map();
    let widest = 0;
    const rows = blocks.map((block, level) => {
      const row = used.filter((part) => part.block === block).map((part) => ({ part, level, title: cut(titleOf(part)), role: cut(roleOf(part)) }));
      for (const item of row) item.width = Math.max(64, 20 + 7.8 * [...item.title].length, 20 + 6 * [...item.role].length);
      const mean = (item) => {
        const xs = edges.filter((edge) => edge.target === item.part.name && at.has(edge.source)).map((edge) => at.get(edge.source).x);
        return xs.length ? xs.reduce((a, b) => a + b) / xs.length : 0;
      };
      row.sort((a, b) => mean(a) - mean(b));
      const width = row.reduce((sum, item) => sum + item.width + APART, -APART);
      let x = -width / 2;
      for (const item of row) { item.x = x + item.width / 2; item.y = level * LEVEL; x += item.width + APART; at.set(item.part.name, item); }
      widest = Math.max(widest, width);
      return row;
    });
    return { at, rows, widest };
  }

  function tell(part) {
    const incoming = edges.filter((edge) => edge.target === part.name), outgoing = edges.filter((edge) => edge.source === part.name);
    const line = (edge, other) => make("li", {}, make("strong", {}, edge.path), ` ${edge.places.join(", ")} ${edge.clears ? "(only to clear it) " : ""}${other === "source" ? "from" : "to"} ${edge[other]}`);
    const list = (title, found, other) => (found.length ? make("div", {}, title, make("ul", {}, ...found.map((edge) => line(edge, other)))) : null);
    fill("part", make("strong", {}, part.name), part.label ? `: ${part.label}` : "", part.values.length ? `; writes ${part.values.join(", ")}` : "", list("reads", incoming, "source"), list("is read by", outgoing, "target"));
  }

  function choose(part) {
    chosen = part.name;
    const h = headOf(part), v = part.values.length ? valueNamed(part.values[0]) : -1;
    tell(part);
    page.choose({ ...(h >= 0 ? { head: h } : {}), ...(v >= 0 ? { value: v } : {}) });
    const again = document.querySelector("#graph .chosen");
    if (again) again.focus();
  }

  return function show() {
    const { at, rows, widest } = placed();
    const drawnEdges = edges.filter((edge) => at.has(edge.source) && at.has(edge.target));
    const near = (edge) => edge.source === chosen || edge.target === chosen;
    let side = widest / 2;
    const lines = drawnEdges.map((edge) => {
      const a = at.get(edge.source), b = at.get(edge.target), levels = b.level - a.level;
      const from = [a.x, a.y + TALL], to = [b.x, b.y];
      let d = `M${from} C${[from[0], from[1] + 22]} ${[to[0], to[1] - 22]} ${to}`;
      if (levels > 1) { // around what stands between
        const out = a.x < 0 || (a.x === 0 && levels % 2) ? -1 : 1;
        const x = out * (Math.max(...rows.slice(a.level + 1, b.level).flat().map((item) => Math.abs(item.x) + item.width / 2)) + 10 + 7 * Math.min(levels, 12));
        side = Math.max(side, Math.abs(x));
        d = `M${from} C${[from[0], from[1] + 30]} ${[x, from[1] + 8]} ${[x, from[1] + 44]} L${[x, to[1] - 44]} C${[x, to[1] - 8]} ${[to[0], to[1] - 30]} ${to}`;
      }
      const state = chosen === null ? "" : near(edge) ? "lit" : "dim";
      return draw("path", { d, class: state }, draw("title", {}, `${edge.source} → ${edge.target}, ${edge.path}: ${edge.places.join(", ")}`));
    });
    const boxes = rows.flat().map(({ part, x, y, width, title, role }) => {
      const pick = () => choose(part);
      return draw("g", {
        class: `part${part.name === chosen ? " chosen" : ""}`, tabindex: "0", role: "button", "aria-label": `${part.name}: ${part.label || title}`, transform: `translate(${x - width / 2} ${y})`,
        "data-part": part.name,
        onclick: pick,
        onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(); } },
      }, draw("rect", { width, height: TALL, rx: 6 }), draw("text", { x: width / 2, y: 15, "text-anchor": "middle" }, title), draw("text", { class: "role", x: width / 2, y: 29, "text-anchor": "middle" }, role));
    });
    const width = 2 * side + 24, height = (rows.length - 1) * LEVEL + TALL + 12;
    const svg = draw("svg", { class: "circuit", width, height, viewBox: `${-width / 2} -6 ${width} ${height}`, role: "group", "aria-label": "Circuit" }, ...lines, ...boxes);
    const toggle = parts.some((part) => part.kind === "clear") ? make("label", {}, make("input", { type: "checkbox", checked: clears, onchange: (event) => { clears = event.target.checked; show(); } }), " also what only clears cells") : null;
    const first = $("graph").firstChild === null, { scrollLeft, scrollTop } = $("graph");
    fill("graph", svg);
    fill("circuit-more", toggle);
    Object.assign($("graph"), { scrollLeft: first ? (width - $("graph").clientWidth) / 2 : scrollLeft, scrollTop });
  };
}
