// --- the residual stream: dimensions x blocks --------------------------------------------------------------------

const DIMENSIONS = 48; // shown at first

/** A hue of its own for each value. */
const hue = (v) => (v * 137.5) % 360;

/** The text of what holds a dimension after a block: the probe's name, with the cell's number where it is wide; empty where nothing does. */
function holder(model, dim, block) {
  for (const value of model.values) for (const probe of value.probes) {
    const cell = probe.dims.indexOf(dim);
    if (cell >= 0 && probe.block <= block && (probe.gone === null || block < probe.gone)) return probe.dims.length > 1 ? `${probe.name}[${cell}]` : probe.name;
  }
  return "";
}

function setUpStream(page) {
  const { model } = page, last = model.blocks.length + 1;
  let all = false;
  const when = (block) => (block === 0 ? "the embedding" : block === last ? "the unembedding" : `block ${block}`);

  return function show() {
    const rows = all ? model.d_model : Math.min(model.d_model, DIMENSIONS);
    const numbers = page.ids.length > 0 && rows * last <= 1500;
    const grid = make("div", { className: `stream${numbers ? " numbers" : ""}` });
    grid.style.gridTemplateColumns = `max-content repeat(${last + 1}, minmax(58px, max-content))`;
    const put = (element, row, column, span = 1) => { element.style.gridRow = String(row); element.style.gridColumn = `${column} / span ${span}`; grid.append(element); };
    const kinds = model.blocks.map((block) => (block.kind === "attention" ? "attn" : "MLP"));
    ["embed", ...kinds.map((kind, b) => `${b + 1} ${kind}`), "unembed"].forEach((title, b) => put(make("span", { className: "title" }, title), 1, b + 2));
    for (let dim = 0; dim < rows; dim++) {
      put(make("span", { className: "dim" }, String(dim)), dim + 2, 1);
      for (let b = 0; b <= last; b++) put(make("span", { className: "slot" }), dim + 2, b + 2);
    }
    model.values.forEach((value, v) => value.probes.forEach((probe) => probe.dims.forEach((dim, cell) => {
      if (dim >= rows) return;
      const name = probe.dims.length > 1 ? `${probe.name}[${cell}]` : probe.name;
      const read = probe.until === probe.block ? "nothing reads it" : `${when(probe.until)} reads it last`;
      const bar = make("button", {
        type: "button",
        "aria-pressed": String(page.value === v),
        title: `${name} as ${probe.form.text}: dimension ${dim}, written by ${when(probe.block)}; ${read}`,
        onclick: () => {
          page.choose({ value: v });
          fill("stay", make("strong", {}, value.name), `: ${value.domain.text}. ${value.probes.map((p) => `${p.name} as ${p.form.text} in dimension${p.dims.length > 1 ? "s" : ""} ${p.dims.join(", ")}, written by ${when(p.block)}, ${p.until === p.block ? "read by nothing" : `read last by ${when(p.until)}`}`).join("; ")}.`);
        },
      }, name);
      bar.style.background = `hsl(${hue(v)} 60% 60% / 0.28)`;
      const end = probe.gone === null ? last - 1 : probe.gone - 1, until = probe.gone === null ? probe.until : Math.min(probe.until, end);
      put(bar, dim + 2, probe.block + 2, until - probe.block + 1);
      if (end > until) {
        const rest = make("span", { className: "rest", title: `${name} is still there, and no longer read` });
        rest.style.background = `hsl(${hue(v)} 60% 60% / 0.3)`;
        put(rest, dim + 2, until + 3, end - until);
      }
    })));
    if (numbers) page.now.stream.forEach((x, b) => {
      for (let dim = 0; dim < rows; dim++) {
        const value = x[page.position][dim], changed = value !== page.base.stream[b][page.position][dim];
        const text = make("span", { className: "number" }, Math.abs(value) >= 1e6 ? value.toExponential(3) : value !== 0 && Math.abs(value) < 1e-4 ? "≈0" : number(value));
        if (changed) { text.style.color = colour("--changed-ink"); text.style.fontWeight = "700"; }
        put(text, dim + 2, b + 2);
      }
    });
    const of = page.ids.length ? `; the numbers are those at position ${page.position}` : "";
    $("stream-note").textContent = `A row is a dimension, a column a block. A bar begins with the block that writes a value and ends with the last that reads it${of}.`;
    const rest = model.d_model - rows;
    const more = rest > 0 ? make("button", { type: "button", onclick: () => { all = true; show(); } }, `Show ${number(rest)} more dimensions`) : null;
    const { scrollLeft } = $("cells");
    fill("cells", grid, more);
    $("cells").scrollLeft = scrollLeft;
  };
}
