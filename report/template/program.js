// --- the program: its source beside its graph --------------------------------------------------------------------

function setUpProgram(page) {
  const { model } = page, { source } = model;
  let kind = "optimised";
  const valueOf = new Map(model.values.flatMap((value, v) => (value.node === null ? [] : [[value.node, v]])));

  function light(lines, nodes, args) {
    for (const line of document.querySelectorAll("#source div")) line.classList.toggle("lit", lines.has(Number(line.dataset.line)));
    for (const row of document.querySelectorAll("#nodes tr[data-node]")) {
      row.classList.toggle("lit", nodes.has(Number(row.dataset.node)));
      row.classList.toggle("arg", args.has(Number(row.dataset.node)));
    }
  }
  const inSource = (node) => source && node.line !== null && node.file === source.file;
  const lightNode = (index) => {
    const node = model.graphs[kind].nodes[index];
    light(new Set(inSource(node) ? [node.line] : []), new Set([index]), new Set(node.args));
  };
  const lightLine = (line) => {
    const nodes = model.graphs[kind].nodes.flatMap((node, i) => (inSource(node) && node.line === line ? [i] : []));
    light(new Set([line]), new Set(nodes), new Set());
  };

  if (source) {
    $("source-title").textContent = `${source.file}, line ${source.first}`;
    fill("source", ...source.lines.map((text, i) => make("div", {
      "data-line": String(source.first + i),
      onmouseenter: () => lightLine(source.first + i),
      onclick: () => lightLine(source.first + i),
    }, make("span", {}, String(source.first + i)), make("span", {}, text))));
  } else {
    $("source-title").textContent = "source";
    fill("source", make("p", { className: "note" }, "The source is not here: a checkpoint keeps the graph, as written and optimised."));
  }

  function graph() {
    const { nodes, outputs, guard } = model.graphs[kind];
    const rows = nodes.map((node, i) => {
      const v = kind === "optimised" ? valueOf.get(i) : undefined;
      const name = v === undefined ? node.name : make("button", { type: "button", title: "Show where it is", onclick: () => page.choose({ value: v }) }, node.name);
      const said = outputs.includes(i) ? " ← output" : i === guard ? " ← guard" : "";
      return make("tr", { "data-node": String(i), onmouseenter: () => lightNode(i), onfocusin: () => lightNode(i) },
        make("td", {}, `%${i}`), make("th", { scope: "row" }, name), make("td", {}, node.text + said), make("td", {}, node.domain), make("td", {}, node.line === null ? "" : `${node.file}:${node.line}`));
    });
    fill("nodes", make("table", {}, make("thead", {}, make("tr", {}, ...["", "value", "computed by", "domain", "line"].map((h) => make("th", { scope: "col" }, h)))), make("tbody", {}, ...rows)));
  }
  for (const choice of document.querySelectorAll("input[name=graph]")) choice.addEventListener("change", () => { kind = choice.value; graph(); });
  graph();
}

// --- tables that Python made -------------------------------------------------------------------------------------

function rowsTable({ title, rows }) {
  return make("table", { className: "wide" }, make("caption", {}, title), make("tbody", {}, ...rows.map(([name, said]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, said)))));
}

function setUpProof(page) {
  const { model } = page;
  fill("cost", rowsTable(model.cost));
  fill("certificate", model.certificate ? rowsTable(model.certificate) : make("p", { className: "note" }, "The certificate was not asked for."));
  const { headings, rows, title } = model.bounds;
  fill("bounds", rows.length
    ? make("table", { className: "wide" }, make("caption", {}, title), make("thead", {}, make("tr", {}, ...headings.map((h) => make("th", { scope: "col" }, h)))), make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell))))))
    : make("p", { className: "note" }, title));
  $("name").textContent = shown(model.name);
  const facts = [`length ${number(model.length)}`, ...(model.style === "compact" ? [] : [`${model.style} style`]), `${number(model.alphabet.length)} symbol${model.alphabet.length === 1 ? "" : "s"}`, model.dtype, model.causal ? "causal" : "bidirectional",
    `${model.blocks.filter((b) => b.kind === "attention").length} attention layers`, `d_model ${number(model.d_model)}`, `${number(model.parameters)} parameters`];
  const proved = model.certificate && make("li", { className: model.certificate.ok ? "good" : "bad" }, model.certificate.ok ? "certified" : "not certified");
  fill("facts", ...facts.map((fact) => make("li", {}, fact)), proved || null);
}
