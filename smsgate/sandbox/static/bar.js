// The bar at the top: connection, figures, warnings, theme. Rule: a warning always has words.
import { announce } from "./announce.js";
import { el, setAttribute, setText } from "./dom.js";
import { counted, grouped } from "./format.js";
import { icon } from "./icons.js";
import { setTheme, THEMES, theme } from "./theme.js";

const LIVE = {
  on: { word: "Live", title: "New messages appear automatically" },
  lost: { word: "Connection lost, trying again", title: "The sandbox does not answer" },
};
const THEME_ICONS = { system: "screen", light: "sun", dark: "moon" };

const at = (id) => document.getElementById(id);

export function showLive(live) {
  const { word, title } = LIVE[live];
  if (at("live").dataset.live === live) return;
  if (live === "lost" || at("live").dataset.live === "lost")
    announce(live === "lost" ? "Connection lost" : "Connected again");
  at("live").dataset.live = live;
  at("live").title = title;
  setText(at("live-word"), word);
}

export function showFigures(state) {
  const several = state.accounts.length > 1;
  const accounts = state.accounts.map((row) => `${row.login}: ${grouped(row.balance)}`);
  setText(at("balance-word"), several ? "Accounts" : "Balance");
  setText(at("balance"), grouped(several ? state.accounts.length : state.balance));
  setAttribute(at("balance"), "title", several ? accounts.join(", ") : null);
  setText(at("count"), grouped(state.messages));
  const credits = state.balance === "1" ? "credit" : "credits";
  setAttribute(at("balance"), "data-unit", ` ${several ? "accounts" : credits}`);
  setAttribute(at("count"), "data-unit", " sms");
  const blocked = state.accounts.find((row) => row.account !== "active");
  const name = several ? ` ${blocked?.login}` : "";
  const broken = Boolean(state.webhook?.last_error);
  const words = [
    blocked ? `Account${name} ${blocked.account}` : null,
    broken ? "Webhook failed" : null,
    state.faults.length ? `${counted(state.faults.length, "fault")} on` : null,
  ].filter(Boolean);
  const alarm = at("alarm");
  // In a narrow window, the number of faults stands for the words.
  const alone = !blocked && !broken;
  setAttribute(alarm, "data-short", alone ? grouped(state.faults.length) : "!");
  alarm.hidden = !words.length;
  alarm.dataset.page = alone ? "Faults" : "Account";
  alarm.dataset.tone = blocked ? "bad" : "hold";
  if (alarm.textContent !== words.join(", "))
    alarm.replaceChildren(icon("bolt"), el("span", {}, words.join(", ")));
}

export function themeButton() {
  const button = at("theme");
  const show = () => {
    button.replaceChildren(icon(THEME_ICONS[theme()]));
    button.setAttribute("aria-label", `Theme: ${theme()}`);
    button.title = `Theme: ${theme()}`;
  };
  let chosen = theme();
  button.addEventListener("click", () => {
    chosen = THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length];
    setTheme(chosen);
    show();
    announce(`Theme: ${chosen}`);
  });
  show();
}
