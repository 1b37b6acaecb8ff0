"use strict";
// The transformer, from its own tensors. Nothing here knows the page; `model` below is the object that Python wrote.
//
// x = W_E[token] + W_pos[position]; x += block(x) for each block; logits = x W_U. Row 0 is BOS, and scores have scale 1.

// --- arithmetic --------------------------------------------------------------------------------------------------
// Sums are taken in float32 (in float64 for models of float64); what a product leaves is rounded to the model's own dtype.

const bits = new DataView(new ArrayBuffer(8));

function toBfloat16(x) {
  bits.setFloat32(0, x);
  const u = bits.getUint32(0);
  if ((u & 0x7f800000) === 0x7f800000) return Math.fround(x);
  bits.setUint32(0, (u + 0x7fff + ((u >>> 16) & 1)) & 0xffff0000);
  return bits.getFloat32(0);
}

function toFloat16(x) {
  const size = Math.abs(x);
  if (!(size > 0) || size === Infinity) return x;
  const unit = Math.max(2 ** (Math.floor(Math.log2(size)) - 10), 2 ** -24); // the spacing of numbers there
  const steps = x / unit;
  let whole = Math.round(steps);
  if (Math.abs(steps - Math.trunc(steps)) === 0.5) whole = 2 * Math.round(steps / 2); // ties go to even
  const rounded = whole * unit;
  return Math.abs(rounded) > 65504 ? Math.sign(x) * Infinity : rounded;
}

const ARITHMETIC = {
  float64: { sum: (x) => x, own: (x) => x },
  float32: { sum: Math.fround, own: Math.fround },
  float16: { sum: Math.fround, own: (x) => toFloat16(Math.fround(x)) },
  bfloat16: { sum: Math.fround, own: (x) => toBfloat16(Math.fround(x)) },
};

// --- tensors -----------------------------------------------------------------------------------------------------

function float16At(view, at) {
  const u = view.getUint16(at, true), exponent = (u >> 10) & 31, fraction = u & 1023, sign = u >> 15 ? -1 : 1;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}

function bfloat16At(view, at) {
  bits.setUint32(0, view.getUint16(at, true) << 16);
  return bits.getFloat32(0);
}

const READ = {
  F64: [8, (view, at) => view.getFloat64(at, true)],
  F32: [4, (view, at) => view.getFloat32(at, true)],
  F16: [2, float16At],
  BF16: [2, bfloat16At],
};

/** The tensors of a safetensors file: name -> {shape, data}. */
function readSafetensors(buffer) {
  const view = new DataView(buffer), size = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size)));
  const tensors = new Map();
  for (const [name, { dtype, shape, data_offsets: [begin, end] }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [width, read] = READ[dtype];
    const data = new Float64Array((end - begin) / width);
    for (let i = 0; i < data.length; i++) data[i] = read(view, 8 + size + begin + i * width);
    tensors.set(name, { shape, data });
  }
  return tensors;
}

/** A matrix as its entries other than 0: for each row the columns and the numbers. A product with 0 adds nothing. */
function sparse(data, rows, columns, offset = 0) {
  const found = [];
  for (let r = 0; r < rows; r++) {
    const at = [], numbers = [];
    for (let c = 0; c < columns; c++) {
      const value = data[offset + r * columns + c];
      if (value !== 0) { at.push(c); numbers.push(value); }
    }
    found.push({ at, numbers });
  }
  return { rows: found, columns };
}

/** All matrices of a model. */
function matrices(model, tensors) {
  const whole = (name) => { const { shape, data } = tensors.get(name); return sparse(data, shape[0], shape[1]); };
  const each = (name) => {
    const { shape: [heads, rows, columns], data } = tensors.get(name);
    return Array.from({ length: heads }, (_, h) => sparse(data, rows, columns, h * rows * columns));
  };
  const blocks = model.blocks.map((block, b) => block.kind === "attention"
    ? { ...block, Q: each(`blocks.${b}.W_Q`), K: each(`blocks.${b}.W_K`), V: each(`blocks.${b}.W_V`), O: each(`blocks.${b}.W_O`) }
    : { ...block, in: whole(`blocks.${b}.W_in`), out: whole(`blocks.${b}.W_out`) });
  return { E: tensors.get("W_E"), pos: tensors.get("W_pos"), U: whole("W_U"), blocks };
}

// --- the forward pass --------------------------------------------------------------------------------------------

/** x W, added to `out`, which is returned. */
function times(x, W, sum, out = new Float64Array(W.columns)) {
  for (let r = 0; r < x.length; r++) {
    if (x[r] === 0) continue;
    const { at, numbers } = W.rows[r];
    for (let j = 0; j < at.length; j++) out[at[j]] = sum(out[at[j]] + sum(x[r] * numbers[j]));
  }
  return out;
}

/** Whether row i sees row t; BOS, row 0, sees itself alone. */
function sees(mask, i, t) {
  if (i === 0 || t === 0) return t === 0;
  return mask === "full" || (mask === "strict" ? t < i : t <= i);
}

/** One head: scores in nats, weights, and what it adds to the stream. Shapes: n + 1 rows. */
function attend(x, block, h, arithmetic) {
  const { sum, own } = arithmetic, rounded = (row) => row.map(own), n = x.length;
  const q = x.map((row) => rounded(times(row, block.Q[h], sum)));
  const k = x.map((row) => rounded(times(row, block.K[h], sum)));
  const v = x.map((row) => rounded(times(row, block.V[h], sum)));
  const scores = [], weights = [], z = [];
  for (let i = 0; i < n; i++) {
    const score = new Float64Array(n).fill(-Infinity), weight = new Float64Array(n), mixed = new Float64Array(q[i].length);
    let most = -Infinity, total = 0;
    for (let t = 0; t < n; t++) {
      if (!sees(block.masks[h], i, t)) continue;
      let s = 0;
      for (let c = 0; c < q[i].length; c++) s = sum(s + sum(q[i][c] * k[t][c]));
      score[t] = own(s);
      most = Math.max(most, score[t]);
    }
    for (let t = 0; t < n; t++) {
      if (score[t] === -Infinity) continue;
      weight[t] = sum(Math.exp(sum(score[t] - most)));
      total = sum(total + weight[t]);
    }
    for (let t = 0; t < n; t++) {
      weight[t] = own(sum(weight[t] / total));
      if (weight[t] === 0) continue;
      for (let c = 0; c < mixed.length; c++) mixed[c] = sum(mixed[c] + sum(weight[t] * v[t][c]));
    }
    scores.push(score);
    weights.push(weight);
    z.push(rounded(mixed));
  }
  return { scores, weights, z };
}

/**
 * The whole model on token ids. `sets` are interventions: after block `block` (0 is the embedding) row `row` of the stream holds
 * `codes` in the dimensions `dims`. Returns the stream after the embedding and after each block, the heads, and the logits.
 */
function forward(model, weights, ids, sets = []) {
  const arithmetic = ARITHMETIC[model.dtype], { sum, own } = arithmetic, d = model.d_model;
  const rows = [0, ...ids.map((id) => id + 1)];
  let x = rows.map((row, i) => Float64Array.from({ length: d }, (_, c) => own(weights.E.data[row * d + c] + weights.pos.data[i * d + c])));
  const intervene = (block) => {
    for (const set of sets) if (set.block === block) set.dims.forEach((dim, j) => { x[set.row][dim] = set.codes[j]; });
  };
  intervene(0);
  const stream = [x], heads = [];
  weights.blocks.forEach((block, b) => {
    const added = x.map(() => new Float64Array(d));
    if (block.kind === "attention") {
      block.masks.forEach((_, h) => {
        const head = attend(x, block, h, arithmetic);
        heads.push({ block: b + 1, head: h, scores: head.scores, weights: head.weights });
        head.z.forEach((z, i) => times(z, block.O[h], sum, added[i]));
      });
    } else {
      x.forEach((row, i) => times(times(row, block.in, sum).map((u) => own(Math.max(0, u))), block.out, sum, added[i]));
    }
    x = x.map((row, i) => row.map((value, c) => own(value + own(added[i][c]))));
    intervene(b + 1);
    stream.push(x);
  });
  return { stream, heads, logits: x.slice(1).map((row) => times(row, weights.U, sum).map(own)) };
}

// --- codes -------------------------------------------------------------------------------------------------------

/**
 * The cells' value in a form: a number, null for ⊥, undefined where the form does not say (a norm) or the cells hold no code.
 * Every cell must be less than 1/2 from the code's; in the compact style they are the code itself.
 */
function decode(form, cells) {
  const near = cells.map(Math.round);
  let z;
  if (form.kind === "digits") z = near.reduceRight((sum, digit) => sum * form.base + digit, 0);
  else if (form.kind === "onehot") z = near.findIndex((cell) => cell > 0) + 1;
  else if (form.kind === "signs") z = near.reduceRight((sum, sign) => 2 * sum + (sign > 0 ? 1 : 0), 0);
  else return undefined;
  if (!Number.isInteger(z) || z < 0 || z > form.top) return undefined;
  const value = z === 0 ? null : z + form.off;
  return encode(form, value).every((code, i) => Math.abs(cells[i] - code) < 0.5) ? value : undefined;
}

/** The code of a value, null being ⊥; a value outside the form has the code of ⊥. */
function encode(form, value) {
  const shifted = value === null ? 0 : value - form.off, z = shifted >= 1 && shifted <= form.top ? shifted : 0;
  const digits = () => Array.from({ length: form.parts }, (_, d) => Math.floor(z / form.base ** d) % form.base);
  switch (form.kind) {
    case "digits": return digits();
    case "norm": return [digits().reduce((sum, digit) => sum + digit * digit, 0)];
    case "flag": return [z > 0 ? 1 : 0];
    case "floor": return [Math.floor(z / form.parts)];
    case "fill": return [z > 0 ? form.top : 0];
    case "signs": return Array.from({ length: form.width }, (_, d) => (z > 0 ? 2 * (Math.floor(z / 2 ** d) % 2) - 1 : 0));
    case "onehot": return Array.from({ length: form.width }, (_, d) => (d + 1 === z ? 1 : 0));
    default: throw new Error(`no code for ${form.kind}`);
  }
}

/** The outputs at each position: for each output the value its logits say, null for ⊥. Shapes: logits (n, Σ classes). */
function outputs(model, logits) {
  return logits.map((row) => {
    let begin = 0;
    return model.outputs.map(({ form, logs }) => {
      const own = row.subarray(begin, begin += form.classes);
      let z = 0;
      if (logs) { while (z < logs.length - 1 && own[0] > (logs[z] + logs[z + 1]) / 2) z++; z++; }
      else own.forEach((value, c) => { if (value > own[z]) z = c; });
      return z === 0 ? null : z + form.off;
    });
  });
}
