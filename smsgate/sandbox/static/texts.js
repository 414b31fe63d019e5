// Turns the text of a message into nodes: links, a one-time code, search matches.
// Rule: only http and https become links. What a search has found is marked by the texts, `marks`,
// that the sandbox names; digits are also found with what a shown number has between them.
import { copy } from "./copy.js";
import { el } from "./dom.js";

const LINK = /https?:\/\/[^\s<>"«»]+/gi;
const TRAILING = /[.,;:!?)\]}'…]+$/;
const TRAILING_AT_START = /^[.,;:!?)\]}'…»"]+/;

export function safeAddress(text) {
  if (!URL.canParse(text)) return null;
  const address = new URL(text);
  return ["http:", "https:"].includes(address.protocol) ? address.href : null;
}

export function link(text, marks = []) {
  const href = safeAddress(text);
  return href
    ? el("a", { href, target: "_blank", rel: "noreferrer noopener" }, ...marked(text, marks))
    : text;
}

// Split a text by a pattern: `found` maps the matches, `rest` the text between them.
function cut(text, pattern, found, rest) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    nodes.push(...rest(text.slice(from, match.index)), ...found(match[0]));
    from = match.index + match[0].length;
  }
  return [...nodes, ...rest(text.slice(from))];
}

function patternOf(mark) {
  return /^\d+$/.test(mark)
    ? [...mark].join("[\\s()-]*")
    : mark.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

export function marked(text, marks) {
  if (!marks.length || !text) return [text];
  return cut(
    text,
    new RegExp(marks.map(patternOf).join("|"), "giu"),
    (piece) => [el("mark", {}, piece)],
    (piece) => (piece ? [piece] : []),
  );
}

function codeButton(code) {
  const button = el(
    "button",
    {
      type: "button",
      class: "code",
      title: "Copy the code",
      tabindex: "-1",
      "aria-label": `Copy the code ${code}`,
    },
    code,
  );
  button.addEventListener("click", () => copy(code.replace(/\D/g, ""), button));
  return button;
}

// `digits` are those of the code that the sandbox has found in the text, or null.
export function textNodes(text, digits, marks = []) {
  const code = digits
    ? new RegExp(`(?<![\\d.,+:/-])${[...digits].join("[ -]?")}(?!\\d)`).exec(
        text.replace(LINK, (address) => " ".repeat(address.length)),
      )
    : null;
  const plain = (piece) => (piece ? marked(piece, marks) : []);
  const linked = (piece) =>
    cut(
      piece,
      LINK,
      (address) => {
        const shown = address.replace(TRAILING, "");
        return [link(shown, marks), ...plain(address.slice(shown.length))];
      },
      plain,
    );
  if (!code) return linked(text);
  const after = text.slice(code.index + code[0].length);
  const mark = TRAILING_AT_START.exec(after)?.[0] ?? "";
  return [
    ...linked(text.slice(0, code.index)),
    // A browser may break a line on each side of a button, also before a full stop.
    el("span", { class: "unbroken" }, codeButton(code[0]), ...plain(mark)),
    ...linked(after.slice(mark.length)),
  ];
}
