// How often a view loads its data.
// Rule: one load at a time, at least a pause apart, and always one load after the last request.
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
