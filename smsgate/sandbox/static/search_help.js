// The button that shows what can be searched for. Rule: the rows are the sandbox's table.
import { el, setAttribute } from "./dom.js";

export function searchHelp({ button, list }, rows) {
  list.replaceChildren(
    ...rows.flatMap(({ example, note }) => [
      el("dt", {}, el("code", {}, example)),
      el("dd", {}, note),
    ]),
  );
  button.addEventListener("click", () => {
    list.hidden = !list.hidden;
    setAttribute(button, "aria-expanded", list.hidden ? "false" : "true");
  });
}
