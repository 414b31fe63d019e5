// The icon, colour and word of each delivery status.
// Rule: never only a colour; a status without a row is also shown.
import { el, setText } from "./dom.js";
import { icon } from "./icons.js";

const LOOKS = {
  sent: ["tick", "wait"],
  queued: ["clock", "wait"],
  "on server": ["server", "wait"],
  "in network": ["antenna", "wait"],
  delivered: ["ticks", "good"],
  expired: ["clock", "bad"],
  "deleted by operator": ["cross", "bad"],
  "not delivered": ["cross", "bad"],
  "rejected by operator": ["cross", "bad"],
  unknown: ["unsure", "hold"],
  failed: ["cross", "bad"],
  "not enough credits": ["pause", "hold"],
  cancelled: ["cross", "bad"],
  suspended: ["pause", "hold"],
  "deleted by user": ["cross", "bad"],
};
const OTHER = ["unsure", "hold"];

export function wordOf(state) {
  return state.charAt(0).toUpperCase() + state.slice(1);
}

// Returns {node, update(state)}. With `bare`, only the icon is visible; the word is its label.
export function statusView({ bare = false } = {}) {
  const word = el("span", bare ? { class: "unseen" } : {});
  const node = el("span", { class: "status" }, word);
  let shown;
  const update = (state) => {
    if (state === shown) return;
    shown = state;
    const [name, tone] = LOOKS[state] ?? OTHER;
    node.dataset.tone = tone;
    if (bare) node.title = wordOf(state);
    node.replaceChildren(icon(name), word);
    setText(word, wordOf(state));
  };
  return { node, update };
}
