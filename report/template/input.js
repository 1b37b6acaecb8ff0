// --- the text ----------------------------------------------------------------------------------------------------

/** Token ids of what was typed: words, or a JSON list, or characters where every symbol is one. Throws with the reason. */
function parse(model, typed) {
  const ids = new Map(model.alphabet.map((text, id) => [text, id]));
  const words = typed.split(/\s+/).filter((word) => word !== "");
  const known = (list) => list.every((word) => ids.has(word));
  let list = words;
  if (!known(words)) {
    try {
      const read = JSON.parse(typed);
      if (Array.isArray(read)) list = read.map((item) => (typeof item === "string" ? item : JSON.stringify(item)));
    } catch { /* it is no JSON */ }
    const characters = [...typed].filter((c) => ids.has(c) || c.trim() !== "");
    if (list === words && known(characters) && model.alphabet.every((text) => [...text].length === 1)) list = characters;
  }
  const odd = list.findIndex((word) => !ids.has(word));
  if (odd >= 0) throw new Error(`token ${odd + 1}, ${shown(list[odd])}, is not in the alphabet`);
  if (list.length > model.length) throw new Error(`${number(list.length)} tokens are more than the length ${number(model.length)} that the model was compiled for`);
  return list.map((word) => ids.get(word));
}

/** What to type for token ids: words, or JSON where a word would be read as something else. */
function typedFor(model, ids) {
  const words = ids.map((id) => model.alphabet[id]);
  const apart = words.every((word) => word !== "" && !/\s/.test(word));
  return apart ? words.join(" ") : JSON.stringify(words);
}

function setUpText(page) {
  const { model } = page;
  const input = $("text");
  const go = () => {
    try {
      page.show(parse(model, input.value));
      $("problem").textContent = "";
    } catch (problem) {
      $("problem").textContent = problem.message;
    }
  };
  const put = (ids) => { input.value = typedFor(model, ids); go(); };
  let waiting;
  input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(go, 120); });
  $("form").addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(waiting); go(); });
  $("clear").addEventListener("click", () => { put([]); input.focus(); });
  $("random").addEventListener("click", () => {
    const n = Math.min(model.length, 24);
    put(Array.from({ length: n }, () => Math.floor(Math.random() * model.alphabet.length)));
  });
  const most = 200;
  fill("symbols", ...model.alphabet.slice(0, most).map((text, id) => make("button", {
    type: "button",
    "aria-label": `Add ${shown(text)}`,
    onclick: () => put([...page.ids, id].slice(0, model.length)),
  }, symbol(text))), model.alphabet.length > most ? make("span", { className: "note" }, `… ${number(model.alphabet.length - most)} more`) : null);
  put(model.text);
}
