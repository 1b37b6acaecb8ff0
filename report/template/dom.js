// --- elements ----------------------------------------------------------------------------------------------------
// Text only ever becomes text: nothing in this page is parsed as HTML after it is loaded.

const $ = (id) => document.getElementById(id);

/** An element; properties whose names have a dash, `role` and `for` are attributes, `on…` are listeners. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || name === "for" || name === "scope") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** The same in SVG; everything is an attribute. */
function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const fill = (id, ...children) => $(id).replaceChildren(...children.filter((child) => child !== null));
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const number = (x) => (Number.isInteger(x) ? x.toLocaleString("en") : Number(x.toPrecision(4)).toString());

/** A symbol of the user's as text of its own: control characters and marks that turn the direction of writing are shown, not obeyed. */
function shown(text) {
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
  return plain.trim() === "" ? JSON.stringify(plain) : plain;
}

const symbol = (text) => make("bdi", {}, shown(text));
