// The panel "Sandbox", which changes the running sandbox.
// Rule: it shows the state from the event stream, and changes it only through the API.

import { AccountPage, SessionsPage } from "./account.js";
import { announce, attempt } from "./announce.js";
import { api } from "./api.js";
import { CallsPage } from "./calls.js";
import { el, setText } from "./dom.js";
import { FaultsPage } from "./faults.js";
import { counted, grouped } from "./format.js";
import { guide, magic } from "./guide.js";
import { icon } from "./icons.js";
import { ask } from "./question.js";
import { tabbed } from "./tabs.js";

export class Panel {
  constructor({ dialog, tables, state }) {
    Object.assign(this, { dialog, state });
    const connect = {
      node: el(
        "div",
        {},
        el("section", {}, el("h3", {}, "Connect a program"), guide(state, "connect")),
        el(
          "section",
          {},
          el("h3", {}, "Magic numbers"),
          magic(
            tables.magic,
            "Each number has a fixed result. Messages to all other numbers are delivered.",
          ),
        ),
      ),
      update: () => {},
    };
    this.pages = {
      Calls: new CallsPage({ tables }),
      Faults: new FaultsPage({ tables }),
      Account: new AccountPage({ tables, state }),
      Sessions: new SessionsPage(),
      Connect: connect,
    };
    this.amounts = {
      Faults: el("span", { class: "amount", "data-tone": "hold" }),
      Sessions: el("span", { class: "amount" }),
    };
    const rows = Object.keys(this.pages).map((name) => ({
      name,
      make: () => {
        // Once the node is in the document.
        queueMicrotask(() => this.pages[name].update(this.state));
        return this.pages[name].node;
      },
    }));
    this.tabs = tabbed("Parts of the sandbox", rows, {
      id: "panel",
      page: el("div", { class: "page", tabindex: "-1" }),
    });
    for (const [at, row] of rows.entries()) {
      if (this.amounts[row.name]) this.tabs.tabs[at].append(this.amounts[row.name]);
    }
    const close = el(
      "button",
      {
        type: "button",
        class: "plain square",
        "aria-label": "Close the panel",
        on: { click: () => dialog.close() },
      },
      icon("close"),
    );
    const clear = el(
      "button",
      { type: "button", class: "danger plain", on: { click: () => this.ask() } },
      "Clear everything…",
    );
    dialog.replaceChildren(
      el("header", {}, el("h2", { id: "panel-title" }, "Sandbox"), close),
      this.tabs.bar,
      this.tabs.page,
      el("footer", {}, el("span", {}, `smsgate ${state.version}`), clear),
    );
    this.tabs.choose("Faults");
    // A click outside the panel closes it.
    dialog.addEventListener(
      "click",
      (event) => event.target === dialog && event.offsetX < 0 && dialog.close(),
    );
  }

  open(page = null) {
    if (page) this.tabs.choose(page);
    if (!this.dialog.open) this.dialog.showModal();
    this.update(this.state);
  }

  update(state) {
    this.state = state;
    setText(this.amounts.Faults, state.faults.length ? grouped(state.faults.length) : "");
    setText(this.amounts.Sessions, state.session_count ? grouped(state.session_count) : "");
    for (const amount of Object.values(this.amounts)) amount.hidden = amount.textContent === "";
    if (this.dialog.open) for (const page of Object.values(this.pages)) page.update(state);
  }

  ask() {
    const { state } = this;
    const all = [
      counted(state.messages, "message"),
      counted(state.session_count, "session"),
      counted(state.faults.length, "fault"),
    ];
    ask({
      title: "Clear everything?",
      text:
        `This deletes ${all.slice(0, 2).join(", ")} and ${all[2]}, and resets all counters. ` +
        "Balance and account return to their values at the start. This cannot be undone.",
      yes: "Clear everything",
      act: async () => {
        if (await attempt(api.clear)) {
          announce("Everything was cleared");
          this.dialog.close();
        }
      },
    });
  }
}
