// The event stream of the state.
// Rule: it is either on, or lost and reconnecting; it never gives up, and pauses between attempts.
import { EVENTS } from "./api.js";

const WAITS = [500, 1000, 2000, 5000];

export function listen({ onState, onLive }) {
  let failures = 0;
  const open = () => {
    const source = new EventSource(EVENTS);
    const lose = () => {
      source.close();
      onLive("lost");
      setTimeout(open, WAITS[Math.min(failures, WAITS.length - 1)]);
      failures += 1;
    };
    source.addEventListener("open", () => {
      failures = 0;
      onLive("on");
    });
    source.addEventListener("state", (event) => onState(JSON.parse(event.data)));
    source.addEventListener("error", lose);
  };
  open();
}
