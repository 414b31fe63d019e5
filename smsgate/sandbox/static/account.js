// The pages "Account" and "Sessions". Rule: a field that is being edited is never overwritten.

import { attempt } from "./announce.js";
import { api } from "./api.js";
import { el, reconcile, setText, setValue } from "./dom.js";
import { field } from "./faults.js";
import { counted, grouped, since } from "./format.js";
import { wordOf } from "./statuses.js";

export class AccountPage {
  constructor({ tables }) {
    this.account = el(
      "select",
      {},
      ...tables.accounts.map((name) => el("option", { value: name }, wordOf(name))),
    );
    this.account.addEventListener("change", () =>
      attempt(() => api.setAccount({ account: this.account.value })),
    );
    this.balance = el("input", { type: "text", inputmode: "decimal", autocomplete: "off" });
    const set = () => attempt(() => api.setAccount({ balance: this.balance.value.trim() }));
    this.balance.addEventListener("keydown", (event) => event.key === "Enter" && set());
    const button = el("button", { type: "button", class: "plain", on: { click: set } }, "Set");
    this.calls = el("tbody");
    this.callViews = new Map();
    this.kept = el("p", { class: "lead" });
    this.node = el(
      "div",
      {},
      el(
        "section",
        {},
        el("h3", {}, "Account"),
        el(
          "p",
          { class: "lead" },
          "An account that is not active refuses the right password. " +
            "Changing the state ends all sessions.",
        ),
        el(
          "div",
          { class: "fields" },
          field("State", this.account),
          el(
            "label",
            { class: "field" },
            el("span", {}, "Balance in credits"),
            el("span", { class: "pair" }, this.balance, button),
          ),
        ),
      ),
      el(
        "section",
        {},
        el("h3", {}, "Since the start"),
        this.kept,
        el(
          "table",
          { class: "table" },
          el("caption", { class: "unseen" }, "Calls of each operation"),
          this.calls,
        ),
      ),
    );
    this.operations = tables.operations;
  }

  update(state) {
    setValue(this.account, state.account);
    setValue(this.balance, state.balance);
    const gone = state.forgotten
      ? ` The oldest ${grouped(state.forgotten)} are no longer stored.`
      : "";
    setText(this.kept, `${counted(state.accepted, "message")} accepted.${gone}`);
    const rows = this.operations.map((name) => ({ key: name, calls: state.calls[name] ?? 0 }));
    reconcile(this.calls, this.callViews, rows, ({ key }) => {
      const cell = el("td");
      return {
        node: el("tr", {}, el("th", { scope: "row" }, key), cell),
        update: ({ calls }) => setText(cell, counted(calls, "call")),
      };
    });
  }
}

export class SessionsPage {
  constructor() {
    this.list = el("ul", { class: "items" });
    this.views = new Map();
    this.none = el(
      "p",
      { class: "lead" },
      "There are no sessions. A program opens one with its first call.",
    );
    this.all = el(
      "button",
      {
        type: "button",
        class: "danger plain small",
        on: { click: () => attempt(api.endSessions) },
      },
      "End all",
    );
    this.more = el("p", { class: "lead" });
    this.node = el(
      "div",
      {},
      el(
        "section",
        {},
        el("div", { class: "line" }, el("h3", {}, "Live sessions"), this.all),
        el(
          "p",
          { class: "lead" },
          "A session is one PHPSESSID cookie. When you end a session, the next call with its " +
            "cookie is not authorised. This sometimes happens at the real gateway.",
        ),
        this.list,
        this.none,
        this.more,
      ),
    );
  }

  update(state) {
    this.none.hidden = this.list.hidden = false;
    this.none.hidden = state.session_count > 0;
    this.list.hidden = this.all.hidden = state.session_count === 0;
    const unseen = state.session_count - state.sessions.length;
    setText(this.more, unseen > 0 ? `and ${counted(unseen, "older", "older")}` : "");
    reconcile(
      this.list,
      this.views,
      state.sessions.map((session) => ({ key: session.key, session, now: state.now })),
      (item) => sessionView(item),
    );
  }
}

function sessionView({ session: { key } }) {
  const tag = el("span", { class: "tag" });
  const note = el("p", { class: "note" });
  const end = el(
    "button",
    {
      type: "button",
      class: "plain small",
      "aria-label": `End the session ${key}`,
      on: { click: () => attempt(() => api.endSession(key)) },
    },
    "End",
  );
  const node = el(
    "li",
    {},
    el("div", { class: "what" }, el("p", {}, el("span", { class: "name mono" }, key), tag), note),
    end,
  );
  return {
    node,
    update: ({ session, now }) => {
      setText(tag, session.authorised ? "logged in" : "not logged in");
      tag.dataset.tone = session.authorised ? "good" : "hold";
      setText(
        note,
        [
          counted(session.calls, "call"),
          `opened ${since(session.opened_at, now)}`,
          `last used ${since(session.used_at, now)}`,
        ].join(" · "),
      );
    },
  };
}
