// Tabs. Rule: the WAI-ARIA pattern: the Tab key reaches one tab, and the arrow keys switch tabs.
import { el } from "./dom.js";

// `rows` are {name, make() -> node}. Returns {bar, page, choose(name), tabs}; `page` shows the node
// of the chosen tab.
export function tabbed(label, rows, { id, page }) {
  const tabs = rows.map((row) =>
    el(
      "button",
      {
        type: "button",
        role: "tab",
        id: `${id}-tab-${row.name}`,
        "aria-controls": `${id}-page`,
        on: { click: () => choose(row.name) },
      },
      row.title ?? row.name,
    ),
  );
  const bar = el(
    "div",
    { class: "tabs" },
    el("div", { role: "tablist", "aria-label": label, class: "tablist" }, ...tabs),
  );
  page.id = `${id}-page`;
  page.setAttribute("role", "tabpanel");
  const choose = (name) => {
    rows.forEach((row, at) => {
      const chosen = row.name === name;
      tabs[at].setAttribute("aria-selected", chosen);
      tabs[at].tabIndex = chosen ? 0 : -1;
      if (chosen) {
        page.setAttribute("aria-labelledby", tabs[at].id);
        page.replaceChildren(row.make());
        page.scrollTop = 0;
        tabs[at].scrollIntoView({ block: "nearest", inline: "nearest" });
      }
    });
  };
  bar.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = tabs.indexOf(document.activeElement);
    if (!by || at < 0) return;
    event.preventDefault();
    const next = (at + by + rows.length) % rows.length;
    choose(rows[next].name);
    tabs[next].focus();
  });
  return { bar, page, choose, tabs };
}
