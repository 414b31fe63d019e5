// Light, dark, or as the system has it. Rule: applied before the first paint, and remembered in this browser only.

const KEY = "smsgate.theme";
export const THEMES = ["system", "light", "dark"];

export function theme() {
  try {
    const kept = localStorage.getItem(KEY);
    return THEMES.includes(kept) ? kept : "system";
  } catch {
    return "system"; // a browser may forbid storage
  }
}

export function setTheme(chosen) {
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // then it lasts as long as the page
  }
  document.documentElement.dataset.theme = chosen;
}

document.documentElement.dataset.theme = theme();
