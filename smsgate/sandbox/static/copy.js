// Copy buttons. Rule: the exact value is copied, not its formatted form; the button confirms it.
import { announce } from "./announce.js";
import { el } from "./dom.js";
import { icon } from "./icons.js";

async function write(text) {
  // Browsers offer the clipboard only on https and on loopback.
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = el("textarea", { class: "unseen", set: { value: text } });
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  return undefined;
}

export async function copy(text, button) {
  await write(text);
  announce("Copied");
  if (button.dataset.copied) return;
  const before = [...button.childNodes];
  button.dataset.copied = "yes";
  button.replaceChildren("Copied");
  setTimeout(() => {
    button.replaceChildren(...before);
    delete button.dataset.copied;
  }, 1200);
}

// `what` completes the label: "Copy the address".
export function copyButton(what, text) {
  const button = el(
    "button",
    {
      type: "button",
      class: "plain small",
      "aria-label": `Copy ${what}`,
      on: { click: () => copy(typeof text === "function" ? text() : text, button) },
    },
    icon("copy"),
    "Copy",
  );
  return button;
}
