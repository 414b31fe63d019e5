// The page "Faults": the active faults, and a switch for each kind.
// Rule: kinds and descriptions come from the sandbox's table.

import { attempt } from "./announce.js";
import { api } from "./api.js";
import { el, reconcile, setAttribute, setText } from "./dom.js";
import { counted } from "./format.js";

const APPLIES_TO = {
  every: { title: "Every call", value: null, fields: () => ({}) },
  next: {
    title: "The next calls only",
    value: { label: "How many calls", min: 1, step: 1, start: 3 },
    fields: (value) => ({ times: Math.round(value) }),
  },
  share: {
    title: "A share of the calls",
    value: { label: "Percent of calls", min: 0.1, max: 100, step: "any", start: 10 },
    fields: (value) => ({ probability: value / 100 }),
  },
};

function ruleText(fault) {
  const often = fault.times !== null ? `the next ${counted(fault.times, "call")}` : "every call";
  const share =
    fault.probability < 1
      ? `${Number((fault.probability * 100).toPrecision(3))} % of calls`
      : often;
  return [
    fault.operation ?? "any operation",
    fault.probability < 1 && fault.times !== null
      ? `${share}, ${counted(fault.times, "time")} more`
      : share,
    fault.seconds === null ? null : `${fault.seconds} s`,
  ]
    .filter(Boolean)
    .join(" · ");
}

export class FaultsPage {
  constructor({ tables }) {
    this.tables = tables;
    this.operation = el(
      "select",
      {},
      el("option", { value: "" }, "Any operation"),
      ...tables.operations.map((name) => el("option", { value: name }, name)),
    );
    this.often = el(
      "select",
      {},
      ...Object.entries(APPLIES_TO).map(([key, row]) => el("option", { value: key }, row.title)),
    );
    this.value = el("input", { type: "number", inputmode: "decimal" });
    this.valueLabel = el("span", {}, APPLIES_TO.next.value.label);
    this.valueField = el("label", { class: "field" }, this.valueLabel, this.value);
    this.often.addEventListener("change", () => this.asksValue());
    this.activeViews = new Map();
    this.kindViews = new Map();
    this.active = el("ul", { class: "items on" });
    this.kinds = el("ul", { class: "items" });
    this.activeSection = el(
      "section",
      { hidden: true },
      el(
        "div",
        { class: "line" },
        el("h3", {}, "Active"),
        el(
          "button",
          { type: "button", class: "plain small", on: { click: () => attempt(api.liftFaults) } },
          "Remove all",
        ),
      ),
      this.active,
    );
    this.node = el(
      "div",
      {},
      this.activeSection,
      el(
        "section",
        {},
        el("h3", {}, "Add a fault"),
        el(
          "p",
          { class: "lead" },
          "Faults simulate network failures and bad answers. " +
            "Choose the calls first, then switch a fault on.",
        ),
        el(
          "div",
          { class: "fields" },
          field("Operation", this.operation),
          field("Applies to", this.often),
          this.valueField,
        ),
        this.kinds,
      ),
    );
    this.asksValue();
  }

  asksValue() {
    const asked = APPLIES_TO[this.often.value].value;
    this.valueField.hidden = !asked;
    if (!asked) return;
    setText(this.valueLabel, asked.label);
    for (const name of ["min", "max", "step"]) setAttribute(this.value, name, asked[name] ?? null);
    this.value.value = asked.start;
  }

  update({ faults }) {
    this.activeSection.hidden = !faults.length;
    reconcile(
      this.active,
      this.activeViews,
      faults.map((fault) => ({ key: fault.id, fault })),
      (item) => activeView(item),
    );
    const rows = this.tables.faults.map((row) => ({
      key: row.kind,
      row,
      on: faults.filter((fault) => fault.kind === row.kind),
    }));
    reconcile(this.kinds, this.kindViews, rows, (item) => this.kindView(item));
  }

  kindView({ row }) {
    let on = [];
    const id = `fault-${row.kind.replaceAll(" ", "-")}`;
    const seconds =
      row.seconds === null
        ? null
        : el("input", {
            type: "number",
            min: "0",
            step: "any",
            value: row.seconds,
            "aria-label": `Delay of ${row.kind} in seconds`,
            title: "Seconds",
          });
    const toggle = el("button", {
      type: "button",
      class: "switch",
      role: "switch",
      "aria-labelledby": id,
      "aria-describedby": `${id}-note`,
    });
    toggle.addEventListener("click", () =>
      attempt(async () => {
        if (on.length) await Promise.all(on.map((fault) => api.liftFault(fault.id)));
        else
          await api.addFault({
            kind: row.kind,
            operation: this.operation.value || null,
            ...this.ruleFields(),
            ...(seconds && seconds.value !== "" ? { seconds: Number(seconds.value) } : {}),
          });
      }),
    );
    const tag = el(
      "span",
      { class: "tag", "data-tone": row.works ? "hold" : "good" },
      row.works ? "work done, charged" : "no work done",
    );
    const node = el(
      "li",
      {},
      el(
        "div",
        { class: "what" },
        el("p", {}, el("span", { class: "name mono", id }, row.kind), tag),
        el("p", { class: "note", id: `${id}-note` }, row.note),
      ),
      seconds,
      seconds ? el("span", { class: "muted" }, "s") : null,
      toggle,
    );
    return {
      node,
      update: (item) => {
        on = item.on;
        setAttribute(toggle, "aria-checked", on.length ? "true" : "false");
      },
    };
  }

  ruleFields() {
    return APPLIES_TO[this.often.value].fields(Number(this.value.value));
  }
}

function activeView({ fault: { id, kind } }) {
  const how = el("p", { class: "note" });
  const off = el(
    "button",
    {
      type: "button",
      class: "plain small",
      "aria-label": `Switch off ${kind}`,
      on: { click: () => attempt(() => api.liftFault(id)) },
    },
    "Off",
  );
  const node = el(
    "li",
    {},
    el("div", { class: "what" }, el("p", { class: "name mono" }, kind), how),
    off,
  );
  return {
    node,
    update: ({ fault }) => {
      const applied = fault.struck ? `applied ${counted(fault.struck, "time")}` : "not applied yet";
      setText(how, `${ruleText(fault)} · ${applied}`);
    },
  };
}

export function field(label, input) {
  return el("label", { class: "field" }, el("span", {}, label), input);
}
