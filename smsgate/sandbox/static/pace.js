// How often a view asks for what it shows. Rule: never twice at once, at most once in a gap, and once more after the last wish.
import { attempt } from "./announce.js";

const GAP = 250;

export function paced(task) {
  let planned = false;
  let running = false;
  let wished = false;
  let ran = -Infinity;
  const run = async () => {
    planned = false;
    wished = false;
    running = true;
    ran = performance.now();
    await attempt(task, { quietly: true });
    running = false;
    if (wished) plan();
  };
  const plan = () => {
    if (planned) return;
    planned = true;
    setTimeout(run, Math.max(0, ran + GAP - performance.now()));
  };
  return () => {
    wished = true;
    if (!running) plan();
  };
}
