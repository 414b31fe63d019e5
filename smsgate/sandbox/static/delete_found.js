// The button that deletes the messages that a search finds.
// Rule: only the messages that the question has counted are deleted, not those that arrive later.
import { announce, attempt } from "./announce.js";
import { api } from "./api.js";
import { counted } from "./format.js";
import { ask } from "./question.js";

// Returns {show(words)}; `words` is the search whose result is shown, or "" if there is none.
export function deleteFound(button) {
  let search = "";
  button.addEventListener("click", () =>
    attempt(async () => {
      const words = search;
      const { total, messages } = await api.messages({ search: words, limit: 1 });
      if (!total) return;
      const all = counted(total, "message");
      ask({
        title: `Delete ${all}?`,
        text:
          `This deletes ${all} found by “${words}”. Balance and counters stay. ` +
          "This cannot be undone.",
        yes: `Delete ${all}`,
        act: () =>
          attempt(async () => {
            const before = messages.at(-1).sequence + 1;
            const { deleted } = await api.deleteFound({ search: words, before });
            announce(`${counted(deleted, "message")} deleted`);
          }),
      });
    }),
  );
  return {
    show: (words) => {
      search = words;
      button.hidden = words === "";
    },
  };
}
