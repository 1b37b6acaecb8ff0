// --- the page ----------------------------------------------------------------------------------------------------

/** The weights: base64 of a gzipped safetensors file. */
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function start() {
  const model = JSON.parse($("model").textContent);
  const weights = matrices(model, readSafetensors(await unpacked($("weights").textContent)));

  function run(ids, sets = []) {
    const { ids: changed, writes } = applied(model, ids, sets);
    const made = forward(model, weights, changed, writes);
    return { ...made, ids: changed, columns: columns(model, made.stream, changed), outputs: outputs(model, made.logits) };
  }

  const page = {
    model, weights, ids: [], sets: [], position: 1, head: 0, value: null, base: null, now: null,
    /** Another text: interventions are kept where they still make sense. */
    show(ids) {
      page.ids = ids;
      page.sets = page.sets.filter((s) => s.position <= ids.length);
      page.position = Math.max(1, Math.min(page.position === 1 ? ids.length : page.position, ids.length));
      compute();
    },
    set(value, position, to) {
      page.sets = page.sets.filter((s) => s.value !== value || s.position !== position);
      if (page.base.columns[value][position - 1] !== to || page.sets.length) page.sets.push({ value, position, to });
      compute();
    },
    unset(set) { page.sets = page.sets.filter((s) => s !== set); compute(); },
    choose(what) { Object.assign(page, what); refresh(); },
  };

  function compute() {
    const began = performance.now();
    page.base = run(page.ids);
    page.now = page.sets.length ? run(page.ids, page.sets) : page.base;
    const took = performance.now() - began;
    const said = page.sets.length ? `, with ${page.sets.length} value${page.sets.length > 1 ? "s" : ""} set` : "";
    $("computed").textContent = `${page.ids.length} token${page.ids.length === 1 ? "" : "s"} through ${number(model.parameters)} weights in ${model.dtype}, computed here in ${took.toFixed(took < 10 ? 1 : 0)} ms${said}.`;
    refresh();
  }

  setUpProof(page);
  setUpProgram(page);
  const shows = [setUpValues(page), setUpAttention(page), setUpStream(page), setUpCircuit(page), setUpMatrices(page)];
  const refresh = () => shows.forEach((show) => show());
  setUpText(page);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; refresh(); } });
  // For the console and for tests: what the weights say of token ids, and of interventions on them.
  window.headwork = { model, page, run, choices: (value, position) => choices(model.values[value], position) };
}

start().catch((problem) => {
  $("failed").textContent = `The page could not start: ${problem.message}`;
  $("failed").hidden = false;
  throw problem;
});
