// Connects the parts of the page, the event stream, the URL and the keys.
// Rule: the other files do not know each other; code that needs two of them is here.
import { announce } from "./announce.js";
import { api } from "./api.js";
import { showFigures, showLive, themeButton } from "./bar.js";
import { Conversations } from "./conversations.js";
import { deleteFound } from "./delete_found.js";
import { Details } from "./details.js";
import { el } from "./dom.js";
import { counted, phone } from "./format.js";
import { guide, magic } from "./guide.js";
import { Panel } from "./panel.js";
import { go, route } from "./route.js";
import { searchHelp } from "./search_help.js";
import { listen } from "./stream.js";
import { Thread } from "./thread.js";

const TITLE = document.title;
const KEYS = [
  [["/"], "search"],
  [["↑", "↓"], "move"],
  [["Enter"], "open"],
  [["Home", "End"], "first and last"],
  [["Esc"], "back"],
];
const FEW_MAGIC = ["+380000000002", "+380000000004", "+380000000005", "+380000000023"];

const at = (id) => document.getElementById(id);
const list = at("list");
const search = at("search");

let tables = null;
let state = null;
let panel = null;
let details = null;
let acceptedUnseen = 0;
let focusThread = false; // the conversation was opened from the list
let showsAll = false; // show the whole conversation in spite of a search

const deleting = deleteFound(at("delete-found"));
const conversations = new Conversations({
  list,
  search,
  found: at("found"),
  onFound: (words) => deleting.show(words),
  onOpen: (number) => open(number),
});
const thread = new Thread({
  home: at("thread"),
  onBack: () => leave(),
  onDetails: (id) => go(thread.number, id),
  onSeen: (number, sequence) => conversations.markRead(number, sequence),
  hasSeveral: () => state.accounts.length > 1,
  onAll: () => {
    showsAll = true;
    follow();
  },
});

function open(number) {
  showsAll = false;
  if (thread.number === number && thread.search !== conversations.words) thread.close();
  else if (route().number === number && !route().id) thread.focus();
  focusThread = true;
  if (route().number === number && !route().id) follow();
  else go(number);
}

function leave() {
  go();
  list.focus();
}

// The URL

function follow() {
  if (!tables || !state) return;
  const { number, id } = route();
  const words = showsAll ? "" : conversations.words;
  conversations.select(number);
  view();
  if (document.body.dataset.view === "empty") return void details.close();
  if (number === null) {
    thread.close();
    choose();
  } else if (thread.number !== number || (thread.search && words === "")) {
    const shown = thread.show(number, words);
    if (focusThread) shown.then((still) => still && thread.focus());
  }
  focusThread = false;
  if (id) details.show(id);
  else if (details.isOpen) {
    const inside =
      details.home.contains(document.activeElement) || document.activeElement === document.body;
    details.close();
    if (inside && thread.isOpen) thread.focus();
  }
  if (thread.isOpen) thread.choose(id);
}

function view() {
  const empty = state.accepted === 0 && state.messages === 0;
  const now = empty ? "empty" : route().number === null ? "list" : "thread";
  const before = document.body.dataset.view;
  if (before === now) return;
  document.body.dataset.view = now;
  if (empty) {
    if (route().number) location.replace("#/");
    thread.close();
    at("thread").replaceChildren(welcome());
  } else if (before === "empty") conversations.refresh();
}

function welcome() {
  return el(
    "div",
    { class: "welcome" },
    el(
      "div",
      { class: "inner" },
      el(
        "div",
        { class: "hero" },
        el("img", { src: "static/logo.svg", alt: "", width: "60", height: "60" }),
        el("h2", {}, "No messages yet"),
        el(
          "p",
          {},
          "Connect a program to this gateway instead of the real one. " +
            "Its messages arrive here and are not sent to any phone.",
        ),
      ),
      guide(state, "welcome"),
      magic(
        tables.magic.filter((row) => FEW_MAGIC.includes(row.number)),
        "Some numbers have a fixed result. All of them are under Sandbox, Connect.",
      ),
    ),
  );
}

function choose() {
  if (at("thread").querySelector(".keys")) return;
  at("thread").replaceChildren(
    el(
      "div",
      { class: "quiet" },
      el("img", { src: "static/logo.svg", alt: "", width: "56", height: "56" }),
      el("h2", {}, "Choose a conversation"),
      el("p", {}, "New messages appear automatically."),
      el(
        "dl",
        { class: "keys" },
        ...KEYS.flatMap(([keys, word]) => [
          el("dt", {}, ...keys.map((key) => el("kbd", {}, key))),
          el("dd", {}, word),
        ]),
      ),
    ),
  );
}

// The stream

function onState(next) {
  const before = state;
  state = next;
  if (!tables) return;
  if (!panel) start();
  if (!before || next.accepted < before.accepted) conversations.startReading(next.accepted);
  showFigures(next);
  panel.update(next);
  announceNew(before, next);
  if (
    document.body.dataset.view === "loading" ||
    (next.accepted === 0) !== (document.body.dataset.view === "empty")
  )
    follow();
  if (!document.hidden) refresh();
}

function refresh() {
  if (document.body.dataset.view === "empty") return;
  conversations.refresh();
  if (thread.isOpen) thread.refresh();
  if (details?.isOpen) details.refresh();
}

let unannounced = 0;

function announceNew(before, next) {
  const fresh = before ? next.accepted - before.accepted : 0;
  if (fresh <= 0) return;
  unannounced += fresh;
  if (document.hidden) {
    acceptedUnseen += fresh;
    document.title = `(${acceptedUnseen}) ${TITLE}`;
  }
  // Wait until the list has loaded the new messages.
  setTimeout(announce, 600, () => {
    const count = unannounced;
    unannounced = 0;
    if (!count) return null;
    const last = conversations.known.get(0)?.last;
    return count === 1 && last?.sequence === state.accepted
      ? `New message from ${last.sender} to ${phone(last.destination)}`
      : counted(count, "new message");
  });
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  acceptedUnseen = 0;
  document.title = TITLE;
  if (panel) refresh();
});

// The keys

const TYPING = "input, textarea, select, [contenteditable]";

document.addEventListener("keydown", (event) => {
  if (
    document.querySelector("dialog[open]") ||
    event.defaultPrevented ||
    event.ctrlKey ||
    event.metaKey ||
    event.altKey
  )
    return;
  if (event.key === "/" && !event.target.closest(TYPING) && search.checkVisibility()) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "Escape") onEscape(event);
});

function onEscape(event) {
  const { number, id } = route();
  if (event.target === search) {
    event.preventDefault();
    if (search.value) {
      search.value = "";
      search.dispatchEvent(new Event("input"));
    } else list.focus();
  } else if (id) go(number);
  else if (number !== null) leave();
}

search.addEventListener("keydown", (event) => {
  if (!["ArrowDown", "Enter"].includes(event.key)) return;
  event.preventDefault();
  conversations.load().then(() => {
    list.focus();
    conversations.active = null;
    conversations.move(0);
    if (event.key === "Enter" && conversations.active) open(conversations.active);
  });
});
search.addEventListener("input", () => search.value.trim() === "" && follow());
list.addEventListener(
  "focus",
  () => conversations.active === null && conversations.total && conversations.move(0),
);
at("skip").addEventListener("click", (event) => {
  event.preventDefault();
  list.focus();
});
at("open-panel").addEventListener("click", () => panel?.open());
at("alarm").addEventListener("click", (event) => panel?.open(event.currentTarget.dataset.page));
window.addEventListener("hashchange", () => follow());

// The start

function start() {
  for (const { example } of tables.search) {
    const [name] = /^[a-z]+:/.exec(example) ?? [];
    if (name) conversations.fields.add(name);
  }
  searchHelp({ button: at("search-help"), list: at("search-fields") }, tables.search);
  details = new Details({
    home: at("details"),
    tables,
    onClose: () => go(thread.number),
    onChange: refresh,
    several: state.accounts.length > 1,
  });
  panel = new Panel({ dialog: at("panel"), tables, state });
}

async function loadTables() {
  try {
    tables = await api.tables();
    if (state) onState(state);
  } catch {
    setTimeout(loadTables, 1000);
  }
}

themeButton();
listen({ onState, onLive: showLive });
loadTables();
