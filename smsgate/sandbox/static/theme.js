// Light, dark or system theme. Rule: applied before the first paint; stored only in the browser.

const KEY = "smsgate.theme";
export const THEMES = ["system", "light", "dark"];

export function theme() {
  try {
    const kept = localStorage.getItem(KEY);
    return THEMES.includes(kept) ? kept : "system";
  } catch {
    return "system"; // storage may be forbidden
  }
}

export function setTheme(chosen) {
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // without storage, the theme lasts until the page is closed
  }
  document.documentElement.dataset.theme = chosen;
}

document.documentElement.dataset.theme = theme();
