// --- attention ---------------------------------------------------------------------------------------------------

/** Whether a head adds up what it matches, at weights near 0 beside BOS: totals of the compact style do. */
const addsUp = (model, head) => model.style === "compact" && head.does.startsWith("total");

/** A colour of the page's as red, green and blue. */
function rgb(name) {
  const context = make("canvas", { width: 1, height: 1 }).getContext("2d");
  context.fillStyle = colour(name);
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}

/**
 * A pattern with a pixel for each weight: white (or the dark scheme's) for 0, the accent for 1, in between a mixture; what is added up
 * has a colour of its own, and what the mask hides another.
 */
function paint(head, mask, adds) {
  const n = head.weights.length, all = rgb("--accent"), some = rgb("--some"), zero = rgb("--zero"), hidden = rgb("--hidden");
  const canvas = make("canvas", { width: n, height: n }), context = canvas.getContext("2d"), image = context.createImageData(n, n);
  for (let i = 0; i < n; i++) {
    for (let t = 0; t < n; t++) {
      const weight = head.weights[i][t], share = weight < 1e-6 ? 0 : 0.06 + 0.94 * weight;
      const base = !sees(mask, i, t) ? hidden : weight > 0 && weight < 1e-6 && adds ? some : zero;
      for (let c = 0; c < 3; c++) image.data[4 * (i * n + t) + c] = base[c] + share * (all[c] - base[c]);
      image.data[4 * (i * n + t) + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** What row i of a head says: the position with the greatest score, its lead in nats over the next, and how many share the weight. */
function reading(head, i) {
  const scores = head.scores[i];
  let best = 0, second = -Infinity;
  scores.forEach((score, t) => { if (score > scores[best]) best = t; });
  scores.forEach((score, t) => { if (t !== best) second = Math.max(second, score); });
  return { best, lead: scores[best] - second, weighted: head.weights[i].reduce((count, w) => count + (w > 0), 0) };
}

function setUpAttention(page) {
  const { model } = page;
  const masks = model.heads.map(({ block, head }) => model.blocks[block - 1].masks[head]);
  let at = null; // the cell under the pointer, as row and column

  const place = (row) => (row === 0 ? make("span", {}, "BOS") : make("span", {}, `position ${row} (`, symbol(model.alphabet[page.now.ids[row - 1]]), ")"));

  function say(i, t) {
    const head = page.now.heads[page.head], weight = head.weights[i][t], score = head.scores[i][t];
    if (score === -Infinity) { fill("cell", place(i), " does not see ", place(t)); return; }
    const { best, lead, weighted } = reading(head, i), soft = model.style !== "compact";
    const leads = soft ? `; it leads by ${number(lead)} nats` : `; it leads by ${number(lead)} nats, where exp(−${number(lead)}) is ${Math.fround(Math.exp(-lead)) === 0 ? "0" : "not 0"}`;
    const why = addsUp(model, model.heads[page.head])
      ? (i === 0 ? "" : `; ${number(weighted - 1)} match${weighted === 2 ? "es" : ""}, each ${model.tally} nats below BOS, are added up`)
      : t === best
        ? (lead === Infinity ? "; nothing else is in sight" : lead === 0 ? "; others score as much" : leads)
        : `; ${number(head.scores[i][best] - score)} nats behind`;
    fill("cell", place(i), " reads ", place(t), " with weight ", make("strong", {}, weight === 0 || weight === 1 ? String(weight) : weight.toExponential(2)), `, score ${number(score)}${why}`);
  }

  function large() {
    const head = page.now.heads[page.head], n = head.weights.length;
    const names = ["BOS", ...page.now.ids.map((id) => shown(model.alphabet[id]))];
    const room = Math.max(220, Math.min($("pattern").clientWidth || 600, 640));
    const label = n <= 70 ? Math.min(90, 12 + 7 * Math.max(...names.map((name) => Math.min([...name].length, 11)))) : 0;
    const size = Math.max(n > 200 ? 2 : label ? 11 : 5, Math.min(30, Math.floor((room - label) / n)));
    const side = label + n * size, ratio = window.devicePixelRatio || 1;
    const canvas = make("canvas", { width: Math.round(side * ratio), height: Math.round(side * ratio) });
    canvas.style.width = canvas.style.height = `${side}px`;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.translate(label, label);
    context.imageSmoothingEnabled = false;
    context.drawImage(paint(head, masks[page.head], addsUp(model, model.heads[page.head])), 0, 0, n * size, n * size);
    context.strokeStyle = colour("--line");
    context.lineWidth = 1;
    if (size >= 8) for (let k = 0; k <= n; k++) {
      context.strokeRect(k * size, 0, 0, n * size);
      context.strokeRect(0, k * size, n * size, 0);
    }
    if (label) {
      context.fillStyle = colour("--ink");
      context.font = `${Math.min(12, size)}px ui-monospace, monospace`;
      context.textBaseline = "middle";
      const cut = (name) => ([...name].length > 11 ? `${[...name].slice(0, 10).join("")}…` : name);
      names.forEach((name, k) => {
        context.textAlign = "right";
        context.fillText(cut(name), -5, (k + 0.5) * size);
        context.save();
        context.translate((k + 0.5) * size, -5);
        context.rotate(-Math.PI / 2);
        context.textAlign = "left";
        context.fillText(cut(name), 0, 0);
        context.restore();
      });
    }
    context.strokeStyle = colour("--ink");
    context.lineWidth = 1.5;
    if (page.position <= n - 1) context.strokeRect(0.5, page.position * size + 0.5, n * size - 1, size - 1);
    if (at && at[0] < n && at[1] < n) {
      context.lineWidth = 2.5;
      context.strokeStyle = colour("--changed-ink");
      context.strokeRect(at[1] * size, at[0] * size, size, size);
    }
    const cellAt = (event) => {
      const box = canvas.getBoundingClientRect();
      const row = Math.floor((event.clientY - box.top - label) / size), column = Math.floor((event.clientX - box.left - label) / size);
      return row >= 0 && column >= 0 && row < n && column < n ? [row, column] : null;
    };
    canvas.addEventListener("mousemove", (event) => { const cell = cellAt(event); if (cell) say(...cell); });
    canvas.addEventListener("click", (event) => {
      const cell = cellAt(event);
      if (!cell) return;
      at = cell;
      if (cell[0] > 0) page.choose({ position: cell[0] }); else large();
      say(...cell);
    });
    const { scrollTop, scrollLeft } = $("pattern");
    fill("pattern", canvas);
    Object.assign($("pattern"), { scrollTop, scrollLeft });
  }

  $("pattern").addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    const n = page.now.ids.length;
    if (step) {
      const [row, column] = at || [page.position, 0];
      at = [Math.max(0, Math.min(n, row + step[0])), Math.max(0, Math.min(n, column + step[1]))];
    } else if (event.key === "Enter" && at && at[0] > 0) page.choose({ position: at[0] });
    else return;
    event.preventDefault();
    large();
    say(...at);
  });

  function about() {
    const head = model.heads[page.head], run = page.now.heads[page.head];
    const rows = [], compact = model.style === "compact";
    const leads = run.scores.slice(1).map((_, i) => reading(run, i + 1).lead).filter((lead) => lead !== Infinity);
    const told = (name, ...said) => rows.push(make("dt", {}, name), make("dd", {}, ...said));
    told("matches", make("code", {}, head.does || "not recorded"));
    told("sees", { causal: "itself and what came before", strict: "what came before, or BOS at the first", full: "every position" }[masks[page.head]]);
    if (head.code) told("code", make("code", {}, head.code));
    if (head.inequality) told(compact ? "exact since" : "since", make("code", {}, compact ? `${head.inequality} = ${number(head.steps)} ≤ ${number(model.limit)}` : head.inequality));
    if (addsUp(model, head)) told("on this text", "matches weigh the same and are added up; the cell they add to rounds the sum to the integer");
    else if (head.does.startsWith("total")) told("on this text", "matches score alike and share their weight; BOS has the rest");
    else if (leads.length) told("on this text", `the winner leads by at least ${number(Math.min(...leads))} nats${compact ? `; exp is 0 from ${model.grid} on` : ""}`);
    if (head.proved) told("on every text", head.proved);
    fill("head", make("h3", {}, `Block ${head.block}, head ${head.head}: ${head.name}`), make("dl", {}, ...rows));
  }

  return function show() {
    if (!model.heads.length) { fill("heads", make("p", { className: "note" }, "This model has no attention.")); return; }
    const focused = document.activeElement && document.activeElement.closest && document.activeElement.closest("#heads");
    fill("heads", ...model.heads.map((head, h) => {
      const canvas = paint(page.now.heads[h], masks[h], addsUp(model, head));
      return make("button", {
        type: "button",
        "aria-pressed": String(page.head === h),
        "data-head": String(h),
        title: head.does,
        onclick: () => { at = null; $("cell").textContent = ""; page.choose({ head: h }); },
      }, canvas, make("span", {}, head.name), make("small", {}, `block ${head.block}, head ${head.head}`));
    }));
    if (focused) { const again = document.querySelector(`[data-head="${page.head}"]`); if (again) again.focus(); }
    large();
    about();
  };
}
