// The round face of a sender: its first letter on a colour of its own. Rule: decoration; the name stands beside it.
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
