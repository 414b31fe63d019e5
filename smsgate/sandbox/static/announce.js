// Announcements for screen readers, and error messages.
// Rule: announcements are at least `PAUSE` milliseconds apart.
import { Refused } from "./api.js";
import { setText } from "./dom.js";

const announcer = document.getElementById("announcer");
const toast = document.getElementById("toast");
const PAUSE = 2500;

let timer = null;
let next = null;

// Elements outside an open dialog are neither visible nor announced, so move the node into it.
function bring(node) {
  const place = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (node.parentNode !== place) place.append(node);
}

// `word` may be a function; it is called at the time of the announcement and can sum up changes.
export function announce(word) {
  next = typeof word === "function" ? word : () => word;
  if (timer) return;
  const speak = () => {
    timer = null;
    if (!next) return;
    bring(announcer);
    setText(announcer, next() ?? "");
    next = null;
    timer = setTimeout(speak, PAUSE);
  };
  speak();
}

let hide;

function complain(text) {
  bring(toast);
  toast.hidden = false;
  setText(toast, text);
  clearTimeout(hide);
  hide = setTimeout(() => {
    toast.hidden = true;
  }, 6000);
}

// Run a task that calls the sandbox, and show its error.
// With `quietly`, a lost connection is not shown here, because the bar shows it.
export async function attempt(task, { quietly = false } = {}) {
  try {
    return await task();
  } catch (error) {
    const lost = error instanceof TypeError && /fetch|network|load/i.test(error.message);
    if (!lost) {
      complain(error.message);
      if (!(error instanceof Refused)) console.error(error);
    } else if (!quietly) complain("The sandbox does not answer. Check that it is running.");
    return undefined;
  }
}
