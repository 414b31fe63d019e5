// The pages "Account" and "Sessions". Rule: a field that is being edited is never overwritten.

import { attempt } from "./announce.js";
import { api } from "./api.js";
import { el, reconcile, setText, setValue } from "./dom.js";
import { field } from "./faults.js";
import { counted, grouped, since } from "./format.js";
import { wordOf } from "./statuses.js";

export class AccountPage {
  constructor({ tables, state }) {
    const several = state.accounts.length > 1;
    this.accounts = state.accounts.map((row, at) =>
      accountFields(tables, at === 0 ? null : row.login, several ? row.login : null),
    );
    this.calls = el("tbody");
    this.callViews = new Map();
    this.kept = el("p", { class: "lead" });
    this.webhook = el("p", { class: "lead" });
    this.webhookSection = el("section", { hidden: true }, el("h3", {}, "Webhook"), this.webhook);
    this.node = el(
      "div",
      {},
      el(
        "section",
        {},
        el("h3", {}, several ? "Accounts" : "Account"),
        el(
          "p",
          { class: "lead" },
          "An account that is not active refuses the right password. " +
            `Changing the state ends all ${several ? "its " : ""}sessions.`,
        ),
        ...this.accounts.map((account) => account.node),
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
      this.webhookSection,
    );
    this.operations = tables.operations;
  }

  update(state) {
    for (const [at, account] of this.accounts.entries()) account.update(state.accounts[at]);
    const gone = state.forgotten ? ` ${grouped(state.forgotten)} of them no longer stored.` : "";
    setText(this.kept, `${counted(state.accepted, "message")} accepted.${gone}`);
    this.webhookSection.hidden = state.webhook === null;
    if (state.webhook) setText(this.webhook, webhookText(state.webhook));
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

// `login` is null for the first account; `title` is null if it is the only one.
function accountFields(tables, login, title) {
  const state = el(
    "select",
    {},
    ...tables.accounts.map((name) => el("option", { value: name }, wordOf(name))),
  );
  state.addEventListener("change", () =>
    attempt(() => api.setAccount(login, { account: state.value })),
  );
  const of = title === null ? "" : ` of ${title}`;
  const balance = el("input", {
    type: "text",
    inputmode: "decimal",
    autocomplete: "off",
    "aria-label": `Balance in credits${of}`,
  });
  const set = () => attempt(() => api.setAccount(login, { balance: balance.value.trim() }));
  balance.addEventListener("keydown", (event) => event.key === "Enter" && set());
  const button = el(
    "button",
    { type: "button", class: "plain", "aria-label": `Set the balance${of}`, on: { click: set } },
    "Set",
  );
  const fields = el(
    "div",
    { class: "fields" },
    field("State", state),
    el(
      "label",
      { class: "field" },
      el("span", {}, "Balance in credits"),
      el("span", { class: "pair" }, balance, button),
    ),
  );
  return {
    node: title === null ? fields : el("fieldset", {}, el("legend", {}, title), fields),
    update: (row) => {
      setValue(state, row.account);
      setValue(balance, row.balance);
    },
  };
}

function webhookText({ url, delivered, failed, dropped, waiting, last_error: error }) {
  const counts = [
    `${counted(delivered, "message")} delivered`,
    failed ? `${grouped(failed)} failed` : null,
    dropped ? `${grouped(dropped)} dropped` : null,
    waiting ? `${grouped(waiting)} waiting` : null,
  ];
  const last = error ? ` The last one failed: ${error}.` : "";
  return `${url}: ${counts.filter(Boolean).join(", ")}.${last}`;
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
