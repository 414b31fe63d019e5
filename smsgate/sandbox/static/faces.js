// The avatar of a sender: its first letter on a colour. Rule: decoration; the name is next to it.
import { el, setText } from "./dom.js";
import { hue } from "./format.js";

export function face(sender) {
  const node = el("span", { class: "face", "aria-hidden": "true" });
  const update = (name) => {
    setText(node, (/[\p{L}\p{N}]/u.exec(name)?.[0] ?? "#").toUpperCase());
    node.style.setProperty("--hue", hue(name));
  };
  if (sender) update(sender);
  return { node, update };
}
