// --- values at each position, and setting them -------------------------------------------------------------------

const WINDOW = 64; // positions shown at once
const CHOICES = 400; // values offered in a list; more are typed

/** A value as text: symbols, numbers, true or false, ⊥. */
function worded(model, domain, value) {
  if (value === undefined) return "·";
  if (value === null) return "⊥";
  if (domain.kind === "token") return value in model.alphabet ? shown(model.alphabet[value]) : String(value);
  return domain.kind === "bool" ? String(value === 1) : number(value);
}

/** The probe that says a value: the first whose form is a code of it. */
const spoken = (value) => value.probes.find((probe) => ["digits", "onehot", "signs"].includes(probe.form.kind));

/** Each value's column on a run, undefined where its cells hold no code. Shapes: values x n. */
function columns(model, stream, ids) {
  return model.values.map((value) => {
    const probe = spoken(value);
    return ids.map((_, i) => {
      if (!probe) return undefined;
      const cells = probe.dims.map((dim) => stream[probe.block][i + 1][dim]);
      return decode(probe.form, cells);
    });
  });
}

/** What may be put in the place of a value: its domain; a pointer that leads back is kept so. */
function choices(value, position) {
  const { lo, hi, lag, none } = value.domain, top = lag === null ? hi : Math.min(hi, position + lag);
  return { lo, hi: top, none };
}

/** Interventions as the forward pass takes them: the token ids, and what every form of a value's cells holds. */
function applied(model, ids, sets) {
  const changed = [...ids], writes = [];
  for (const { value, position, to } of sets) {
    if (model.values[value].name === "token" && model.values[value].node === null) changed[position - 1] = to;
    else for (const { form, dims, block } of model.values[value].probes) writes.push({ block, row: position, dims, codes: encode(form, to) });
  }
  return { ids: changed, writes };
}

function setUpValues(page) {
  const { model } = page;
  let open = null; // the value and position whose editor is open

  function edit(v, position) {
    const value = model.values[v], { lo, hi, none } = choices(value, position);
    open = { v, position };
    const now = worded(model, value.domain, page.base.columns[v][position - 1]);
    const what = make("span", {}, make("strong", {}, value.name), ` at position ${position}, was `, make("bdi", {}, now), ", set it to ");
    let field;
    if (hi - lo < CHOICES) {
      field = make("select", { "aria-label": `New value of ${value.name}` });
      if (none) field.append(make("option", { value: "" }, "⊥"));
      for (let x = lo; x <= hi; x++) field.append(make("option", { value: String(x) }, worded(model, value.domain, x)));
      const current = page.now.columns[v][position - 1];
      if (current != null) field.value = String(current);
    } else {
      field = make("input", { type: "number", min: String(lo), max: String(hi), placeholder: none ? "empty is ⊥" : `${lo} to ${hi}`, "aria-label": `New value of ${value.name}` });
    }
    const say = make("span", { className: "problem", role: "alert" });
    const set = () => {
      const to = field.value === "" ? null : Number(field.value);
      if ((to === null && !none) || (to !== null && (!Number.isInteger(to) || to < lo || to > hi))) { say.textContent = `${number(lo)} to ${number(hi)}`; return; }
      page.set(v, position, to);
    };
    field.addEventListener("change", set);
    field.addEventListener("keydown", (event) => { if (event.key === "Enter") set(); if (event.key === "Escape") close(); });
    fill("editor", what, field, make("button", { type: "button", onclick: set }, "Set"), make("button", { type: "button", onclick: close }, "Close"), say);
    $("editor").hidden = false;
    field.focus();
  }

  function close() {
    const back = open && document.querySelector(`[data-cell="${open.v},${open.position}"]`);
    open = null;
    $("editor").hidden = true;
    if (back) back.focus();
  }

  function body(first, last) {
    const rows = [];
    const places = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    model.values.forEach((value, v) => {
      if (!spoken(value) || value.node === null && value.name !== "token" && value.name !== "position") return;
      const cells = places.map((position) => {
        const now = page.now.columns[v][position - 1], was = page.base.columns[v][position - 1];
        const set = page.sets.some((s) => s.value === v && s.position === position);
        const text = worded(model, value.domain, now);
        const state = [set ? "set" : now !== was ? "changed" : "", now == null ? "none" : "", position === page.position ? "here" : ""].join(" ");
        const told = now === was ? "" : `, was ${worded(model, value.domain, was)}`;
        const cell = value.fixed
          ? make("span", { title: value.fixed + told }, make("bdi", {}, text))
          : make("button", {
            type: "button",
            "data-cell": `${v},${position}`,
            title: `${value.name} at position ${position}${told}`,
            "aria-label": `${value.name} at position ${position} is ${text}${told}; set it`,
            onclick: () => { page.choose({ value: v, position }); edit(v, position); },
          }, make("bdi", {}, text));
        return make("td", { className: state }, cell);
      });
      const probe = spoken(value);
      const where = probe.block ? `after block ${probe.block}` : "embedded";
      rows.push(make("tr", { className: page.value === v ? "chosen" : "" }, make("th", { scope: "row", title: `${value.name}: ${value.domain.text}${value.says ? ` = ${value.says}` : ""}` }, value.name, " ", make("small", {}, where)), ...cells));
    });
    model.outputs.forEach((output, o) => {
      const cells = places.map((position) => {
        const now = page.now.outputs[position - 1][o], was = page.base.outputs[position - 1][o];
        const state = [now !== was ? "changed" : "", now === null ? "none" : "", position === page.position ? "here" : ""].join(" ");
        return make("td", { className: state, title: now === was ? "" : `was ${worded(model, output.domain, was)}` }, make("span", {}, make("bdi", {}, worded(model, output.domain, now))));
      });
      rows.push(make("tr", { className: o ? "" : "output" }, make("th", { scope: "row" }, make("strong", {}, output.title)), ...cells));
    });
    return rows;
  }

  return function show() {
    const n = page.ids.length, first = n ? Math.floor((page.position - 1) / WINDOW) * WINDOW + 1 : 1, last = Math.min(n, first + WINDOW - 1);
    if (open && open.position > n) close();
    if (!n) { fill("table", make("p", { className: "note" }, "No text.")); fill("sets"); fill("pages"); return; }
    const places = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    const head = make("tr", {}, make("td"), ...places.map((position) => make("th", { scope: "col", className: position === page.position ? "here" : "" }, symbol(model.alphabet[page.ids[position - 1]]), make("span", { className: "place" }, String(position)))));
    const focus = document.activeElement && document.activeElement.dataset && document.activeElement.dataset.cell;
    fill("table", make("table", { className: "grid" }, make("thead", {}, head), make("tbody", {}, ...body(first, last))));
    if (focus) { const again = document.querySelector(`[data-cell="${focus}"]`); if (again) again.focus(); }
    fill("sets", ...page.sets.map((s) => make("button", { type: "button", title: "Take it back", onclick: () => page.unset(s) },
      `${model.values[s.value].name} at ${s.position} := ${worded(model, model.values[s.value].domain, s.to)}  ✕`)));
    fill("pages", ...(n > WINDOW ? [
      make("button", { type: "button", disabled: first === 1, onclick: () => page.choose({ position: first - WINDOW }) }, "‹ before"),
      make("span", { className: "note" }, `positions ${first} to ${last} of ${number(n)}`),
      make("button", { type: "button", disabled: last === n, onclick: () => page.choose({ position: last + 1 }) }, "after ›"),
    ] : []));
  };
}
