// The page "Calls": every call with its outcome, and its request and reply when it is opened.
// Rule: while a call is open, the list stays as it is, so that the call does not move away.

import { attempt } from "./announce.js";
import { api } from "./api.js";
import { raw } from "./details.js";
import { el, reconcile, setAttribute, setText } from "./dom.js";
import { field } from "./faults.js";
import { counted, exact, grouped } from "./format.js";
import { paced } from "./pace.js";
import { wordOf } from "./statuses.js";

const PAGE = 50;
const TONES = {
  done: "good",
  "done in part": "hold",
  refused: "bad",
  unreadable: "bad",
  "not done": "hold",
};

export class CallsPage {
  constructor({ tables }) {
    this.notes = new Map(tables.faults.map((row) => [row.kind, row.note]));
    this.outcome = choice("Any outcome", tables.outcomes, wordOf);
    this.operation = choice("Any operation", tables.operations, (name) => name);
    for (const select of [this.outcome, this.operation])
      select.addEventListener("change", () => this.restart());
    this.limit = PAGE;
    this.open = null; // the number of the call whose request and reply are shown
    this.revision = null;
    this.views = new Map();
    this.list = el("ul", { class: "items calls" });
    this.about = el("p", { class: "lead" });
    this.fresh = button("Show the new calls", () => this.restart());
    this.more = button("Show older calls", () => this.showMore());
    this.node = el(
      "div",
      {},
      el(
        "section",
        {},
        el("div", { class: "line" }, el("h3", {}, "Calls"), this.fresh),
        el(
          "div",
          { class: "fields" },
          field("Outcome", this.outcome),
          field("Operation", this.operation),
        ),
        this.about,
        this.list,
        this.more,
      ),
    );
    this.load = paced(() => this.reload());
    this.fresh.hidden = this.more.hidden = true;
  }

  update(state) {
    if (!this.node.isConnected || state.revision === this.revision) return;
    this.revision = state.revision;
    this.load();
  }

  restart() {
    this.open = null;
    this.limit = PAGE;
    this.load();
  }

  showMore() {
    this.limit += PAGE;
    this.load();
  }

  async reload() {
    const asked = { outcome: this.outcome.value, operation: this.operation.value };
    const page = await api.calls({ ...asked, limit: this.limit });
    if (asked.outcome !== this.outcome.value || asked.operation !== this.operation.value)
      return this.load();
    const fresh = (page.calls[0]?.number ?? 0) - (this.calls?.[0]?.number ?? 0);
    // Another page is an answer to the button below; fewer calls mean that they were cleared.
    const held = this.open !== null && page.total > 0 && this.limit === this.shownLimit;
    this.fresh.hidden = !held || fresh <= 0;
    if (held) return undefined;
    this.calls = page.calls;
    this.shownLimit = this.limit;
    this.total = page.total;
    this.show();
    return undefined;
  }

  show() {
    const { total } = this;
    const known = new Set(this.calls.map((call) => call.number));
    if (!known.has(this.open)) this.open = null;
    setText(
      this.about,
      total
        ? `${counted(total, "call")}, newest first. Open a call to see its request and reply.`
        : "No calls. Every call of a program is listed here, also the refused ones.",
    );
    this.list.hidden = total === 0;
    this.more.hidden = this.calls.length >= total;
    reconcile(
      this.list,
      this.views,
      this.calls.map((call) => ({ key: call.number, call, open: call.number === this.open })),
      (item) => this.view(item),
    );
  }

  view({ call }) {
    const id = `call-${call.number}`;
    const toggle = el(
      "button",
      {
        type: "button",
        class: "call",
        "aria-controls": id,
        on: { click: () => this.toggle(call.number) },
      },
      el("span", { class: "name mono" }, call.operation ?? "No operation"),
      el("span", { class: "tag", "data-tone": TONES[call.outcome] }, wordOf(call.outcome)),
      call.fault ? el("span", { class: "tag", "data-tone": "hold" }, call.fault) : null,
      el("span", { class: "note" }, summary(call)),
      call.answer ? el("span", { class: "note", lang: "ru", dir: "auto" }, call.answer) : null,
    );
    const body = el("div", { class: "exchange", id, hidden: true });
    return {
      node: el("li", { "data-number": call.number }, toggle, body),
      update: ({ open }) => {
        setAttribute(toggle, "aria-expanded", open ? "true" : "false");
        body.hidden = !open;
        if (open && !body.firstChild) attempt(() => this.fill(call, body));
      },
    };
  }

  async fill(call, body) {
    const { request, reply } = await api.call(call.number);
    body.replaceChildren(
      ...[
        call.fault
          ? el("p", { class: "hint" }, `The fault “${call.fault}”: ${this.notes.get(call.fault)}.`)
          : null,
        raw("Request", request),
        raw("Reply", reply),
      ].filter(Boolean),
    );
  }

  toggle(number) {
    this.open = this.open === number ? null : number;
    this.show();
    if (this.open === null) this.load();
  }
}

function summary(call) {
  return [
    exact(call.at),
    call.session ? `session ${call.session}` : "no session",
    call.accepted ? `${counted(call.accepted, "message")} accepted` : null,
    `call ${grouped(call.number)}`,
  ]
    .filter(Boolean)
    .join(" · ");
}

function choice(all, names, word) {
  return el(
    "select",
    {},
    el("option", { value: "" }, all),
    ...names.map((name) => el("option", { value: name }, word(name))),
  );
}

function button(word, click) {
  return el("button", { type: "button", class: "plain small", on: { click } }, word);
}
