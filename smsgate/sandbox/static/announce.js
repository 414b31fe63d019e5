// What is said to the reader beside what is shown: to a screen reader, and what went wrong. Rule: at most one announcement in a while.
import { Refused } from "./api.js";
import { setText } from "./dom.js";

const announcer = document.getElementById("announcer");
const toast = document.getElementById("toast");
const PAUSE = 2500;

let timer = null;
let next = null;

// What is outside of an open dialog is neither seen nor read out.
function bring(node) {
  const place = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (node.parentNode !== place) place.append(node);
}

// `word` is a function, asked when it is time to speak, so that what was said meanwhile is summed up.
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

// Do something that asks the sandbox. Fails with a word to the reader; `quietly` leaves a lost connection to the bar, which shows it.
export async function attempt(task, { quietly = false } = {}) {
  try {
    return await task();
  } catch (error) {
    const lost = error instanceof TypeError && /fetch|network|load/i.test(error.message);
    if (!lost) {
      complain(error.message);
      if (!(error instanceof Refused)) console.error(error);
    } else if (!quietly) complain("The sandbox does not answer. Is it running?");
    return undefined;
  }
}
