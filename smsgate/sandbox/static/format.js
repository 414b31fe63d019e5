// Format numbers, times, sizes and raw XML as text. Rule: pure functions; they do not use the page.

const GROUP = /\B(?=(\d{3})+(?!\d))/g;
const UKRAINIAN = /^\+380(\d\d)(\d{3})(\d\d)(\d\d)$/;
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const OLD_DAY = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "long",
  year: "numeric",
});
const SHORT_DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

// Decimals are strings, so they stay exact.
export function grouped(number) {
  const [whole, fraction] = String(number).split(".");
  const head = whole.replace(GROUP, "\u202f");
  return fraction === undefined ? head : `${head}.${fraction}`;
}

export function counted(number, one, many = `${one}s`) {
  return `${grouped(number)} ${String(number) === "1" ? one : many}`;
}

export function phone(number) {
  const parts = UKRAINIAN.exec(number);
  return parts ? `+380 ${parts.slice(1).join(" ")}`.replaceAll(" ", "\u00a0") : number;
}

export function clock(seconds) {
  return CLOCK.format(seconds * 1000);
}

export function exact(seconds) {
  return EXACT.format(seconds * 1000);
}

function daysAgo(seconds) {
  const midnight = (date) => new Date(date).setHours(0, 0, 0, 0);
  return Math.round((midnight(Date.now()) - midnight(seconds * 1000)) / 86_400_000);
}

export function dayKey(seconds) {
  return new Date(seconds * 1000).toDateString();
}

export function day(seconds) {
  const ago = daysAgo(seconds);
  return (
    ["Today", "Yesterday"][ago] ?? (ago > 0 && ago < 180 ? DAY : OLD_DAY).format(seconds * 1000)
  );
}

export function when(seconds) {
  const ago = daysAgo(seconds);
  return ago <= 0 ? clock(seconds) : ago === 1 ? "Yesterday" : SHORT_DAY.format(seconds * 1000);
}

export function since(seconds, now) {
  const passed = Math.max(0, Math.round(now - seconds));
  if (passed < 5) return "just now";
  if (passed < 60) return `${passed} s ago`;
  return passed < 3600
    ? `${Math.floor(passed / 60)} min ago`
    : `${Math.floor(passed / 3600)} h ago`;
}

export function hue(text) {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + character.codePointAt(0)) >>> 0;
  return (sum * 47) % 360;
}

// One element per line, indented; an element with only text stays on one line. Text that is not
// XML is not changed.
export function prettyXml(raw) {
  const trimmed = raw.trim();
  if (!trimmed.startsWith("<") || /<!DOCTYPE|<html/i.test(trimmed.slice(0, 200))) return raw;
  const pieces = trimmed.match(/<[^>]*>|[^<]+/g) ?? [];
  const lines = [];
  let depth = 0;
  for (let at = 0; at < pieces.length; at += 1) {
    const piece = pieces[at];
    const closes = piece.startsWith("</");
    const opens = piece.startsWith("<") && !closes && !/^<[?!]|\/>$/.test(piece);
    if (!piece.startsWith("<") && piece.trim() === "") continue;
    if (closes) depth = Math.max(0, depth - 1);
    let line = piece;
    if (opens && pieces[at + 1]?.startsWith("</")) {
      line += pieces[at + 1];
      at += 1;
    } else if (opens && !pieces[at + 1]?.startsWith("<") && pieces[at + 2]?.startsWith("</")) {
      line += pieces[at + 1] + pieces[at + 2];
      at += 2;
    } else if (opens) depth += 1;
    lines.push("  ".repeat(Math.max(0, depth - (opens && line === piece ? 1 : 0))) + line);
  }
  return lines.join("\n");
}
