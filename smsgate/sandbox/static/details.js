// The details of one message.
// Rule: the raw request and reply are loaded once, the status after each change.
import { announce, attempt } from "./announce.js";
import { api } from "./api.js";
import { copyButton } from "./copy.js";
import { el, setText, setValue } from "./dom.js";
import { counted, exact, grouped, phone, prettyXml } from "./format.js";
import { icon } from "./icons.js";
import { paced } from "./pace.js";
import { ask } from "./question.js";
import { statusView, wordOf } from "./statuses.js";
import { link, textNodes } from "./texts.js";

const SCHEDULE = "";

export class Details {
  constructor({ home, tables, several, onClose, onChange }) {
    Object.assign(this, { home, tables, several, onClose, onChange });
    this.id = null;
    this.refresh = paced(() => this.reload());
  }

  get isOpen() {
    return this.id !== null;
  }

  close() {
    this.id = null;
    this.home.hidden = true;
    this.home.replaceChildren();
  }

  async show(id) {
    if (id === this.id) return;
    this.id = id;
    this.message = null;
    const message = await attempt(() => api.message(id));
    if (id !== this.id) return;
    if (!message) return this.onClose();
    this.frame(message);
    this.update(message);
    this.home.hidden = false;
    this.home.scrollTop = 0;
    this.title.focus({ preventScroll: true });
  }

  frame(message) {
    this.title = el("h2", { tabindex: "-1" }, "Message");
    this.status = statusView();
    this.note = el("p", {});
    this.choice = el(
      "select",
      { id: "status" },
      el("option", { value: SCHEDULE }, "By schedule"),
      ...this.tables.states.map((row) => el("option", { value: row.state }, wordOf(row.state))),
    );
    this.choice.addEventListener("change", () => this.set(this.choice.value));
    const { saving } = message;
    const close = el(
      "button",
      {
        type: "button",
        class: "plain square",
        "aria-label": "Close the details",
        on: { click: this.onClose },
      },
      icon("close"),
    );
    this.home.replaceChildren(
      el("header", {}, this.title, close),
      el(
        "div",
        { class: "body" },
        message.wappush !== null
          ? el(
              "div",
              { class: "says" },
              el("div", { class: "push" }, icon("link"), "WAP push"),
              link(message.wappush),
            )
          : null,
        message.text !== null
          ? el("div", { class: "says", dir: "auto" }, ...textNodes(message.text, message.code))
          : null,
        facts([
          ["Status", this.status.node],
          [
            "To",
            el(
              "span",
              { class: "with" },
              el("span", {}, phone(message.destination)),
              copyButton("the number", message.destination),
            ),
          ],
          ["From", message.sender],
          ...(this.several ? [["Account", message.account]] : []),
          ["Accepted", exact(message.accepted_at)],
          ["Size", `${counted(message.parts, "part")} in ${message.alphabet}`],
          ["Cost", counted(message.credits, "credit")],
          [
            "Id",
            el(
              "span",
              { class: "with" },
              el("span", { class: "mono" }, message.id),
              copyButton("the id", message.id),
            ),
          ],
        ]),
        saving ? el("p", { class: "hint" }, savingHint(saving, message.parts)) : null,
        message.fault
          ? el(
              "p",
              { class: "hint" },
              `The fault “${message.fault}” applied to the answer, so the program may not ` +
                "know that this message was accepted.",
            )
          : null,
        el(
          "div",
          { class: "choice" },
          el("label", { for: "status" }, "Delivery status from now on"),
          this.choice,
          this.note,
        ),
        raw("Request", message.request),
        raw("Reply", message.reply),
        el(
          "button",
          { type: "button", class: "danger plain", on: { click: () => this.ask() } },
          "Delete this message…",
        ),
      ),
    );
  }

  ask() {
    const { id } = this;
    ask({
      title: "Delete this message?",
      text:
        "GetMessageStatus then does not know its id. Balance and counters stay. " +
        "This cannot be undone.",
      yes: "Delete it",
      act: async () => {
        if (!(await attempt(() => api.deleteMessage(id)))) return;
        announce("The message was deleted");
        if (id === this.id) this.onClose();
        this.onChange();
      },
    });
  }

  update(message) {
    this.message = message;
    this.status.update(message.state);
    setValue(this.choice, message.forced ? message.state : SCHEDULE);
    const sentence = this.tables.states.find((row) => row.state === message.state)?.sentence ?? "";
    this.note.replaceChildren(
      "GetMessageStatus answers ",
      el("span", { lang: "ru" }, `«${sentence}»`),
    );
  }

  async reload() {
    if (!this.isOpen || !this.message) return;
    const { id } = this;
    const page = await api.messages({
      to: this.message.destination,
      after: this.message.sequence - 1,
      limit: 1,
    });
    const [message] = page.messages;
    if (id !== this.id) return;
    if (message?.id === id) this.change(message);
    else this.onClose();
  }

  change(message) {
    if (message.state !== this.message.state || message.forced !== this.message.forced)
      this.update(message);
  }

  async set(state) {
    const message = await attempt(() => api.setStatus(this.id, state === SCHEDULE ? null : state));
    if (message && message.id === this.id) this.update(message);
    this.onChange();
  }
}

function savingHint({ characters, parts }, now) {
  const named = characters.map((one) => `“${one}”`).join(", ");
  const force = characters.length > 1 ? "force" : "forces";
  const instead = `${counted(parts, "part")} instead of ${grouped(now)}`;
  return `Only ${named} ${force} UCS-2. In GSM, the text needs ${instead}.`;
}

function facts(rows) {
  return el(
    "dl",
    { class: "facts" },
    ...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
  );
}

export function raw(name, text) {
  if (text === null)
    return el(
      "section",
      { class: "raw" },
      el("h3", {}, name),
      el("p", { class: "muted" }, "No longer stored."),
    );
  const pre = el("pre", { tabindex: "0", "aria-label": `${name}, as XML` });
  setText(pre, prettyXml(text));
  return el(
    "section",
    { class: "raw" },
    el("div", { class: "head" }, el("h3", {}, name), copyButton(`the ${name.toLowerCase()}`, text)),
    pre,
  );
}
