// The question before something is deleted. Rule: the harmless answer has the focus.
import { el } from "./dom.js";

const dialog = document.getElementById("ask");

// Calls `act` if the answer is yes; `yes` is the word of that button.
export function ask({ title, text, yes, act }) {
  const button = (word, look, click, attributes = {}) =>
    el("button", { type: "button", class: look, on: { click }, ...attributes }, word);
  dialog.replaceChildren(
    el("h2", { id: "ask-title" }, title),
    el("p", { id: "ask-text" }, text),
    el(
      "div",
      { class: "pair" },
      button("Cancel", "plain", () => dialog.close(), { autofocus: true }),
      button(yes, "danger full plain", () => {
        dialog.close();
        act();
      }),
    ),
  );
  dialog.showModal();
}
