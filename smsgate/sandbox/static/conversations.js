// The list of conversations, newest first; only visible rows exist in the document.
// Rule: a row is identified by its phone number, never by its position.
import { api, Refused } from "./api.js";
import { el, reconcile, setAttribute, setText } from "./dom.js";
import { face } from "./faces.js";
import { counted, grouped, phone, when } from "./format.js";
import { paced } from "./pace.js";
import { statusView } from "./statuses.js";
import { marked } from "./texts.js";

const ROW = 70; // .row in layout.css, with its margin
const MORE = 12; // rows to load before and after the visible ones

export class Conversations {
  constructor({ list, search, found, onFound, onOpen }) {
    Object.assign(this, { list, search, found, onFound, onOpen });
    this.tall = el("div", { class: "tall", role: "presentation" });
    this.rows = el("div", { role: "presentation" });
    this.list.append(this.tall, this.rows);
    this.views = new Map();
    this.known = new Map(); // place -> conversation
    this.total = 0;
    this.marks = [];
    this.fields = new Set(); // the names of the search's fields, such as `to:`
    this.active = null; // the number that the keyboard has selected
    this.open = null;
    this.read = new Map(); // number -> sequence of the last message that was read
    this.readAll = Infinity;
    this.refresh = paced(() => this.load());
    this.list.addEventListener(
      "scroll",
      () => {
        this.render();
        this.refresh();
      },
      { passive: true },
    );
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.search.addEventListener("input", () => {
      this.list.scrollTop = 0;
      this.active = null;
      this.refresh();
    });
    new ResizeObserver(() => {
      this.render();
      this.refresh();
    }).observe(this.list);
  }

  get words() {
    const [, before, last] = /^(.*?)(\S*)$/s.exec(this.search.value.trim());
    // The word of a field is still being typed.
    return this.fields.has(last.toLowerCase()) ? before.trim() : before + last;
  }

  get inSight() {
    const first = Math.floor(this.list.scrollTop / ROW);
    return { first, last: first + Math.ceil(this.list.clientHeight / ROW) };
  }

  async load() {
    const { first, last } = this.inSight;
    const offset = Math.max(0, first - MORE);
    const words = this.words;
    const page = await api
      .conversations({ search: words, offset, limit: last - first + 2 * MORE })
      .catch((error) => this.complain(words, error));
    if (!page) return undefined;
    if (words !== this.words) return this.refresh();
    this.marks = page.marks;
    const moved = first > 0 ? this.shift(page.conversations, offset) : 0;
    this.total = page.total;
    this.known = new Map(page.conversations.map((conversation, at) => [offset + at, conversation]));
    this.tall.style.height = `${this.total * ROW}px`;
    if (moved) this.list.scrollTop += moved * ROW;
    if (offset && offset >= this.total) this.refresh();
    setText(this.found, words ? `${counted(this.total, "conversation")} with “${words}”` : "");
    this.onFound(this.total ? words : "");
    this.loaded = true;
    this.render();
    return undefined;
  }

  // A word of a field is not complete yet, or not possible.
  complain(words, error) {
    if (!(error instanceof Refused)) throw error;
    if (words !== this.words) this.refresh();
    else {
      setText(this.found, error.message.replace(/^search: /, ""));
      this.onFound("");
    }
  }

  // Return by how many places most visible rows have moved, to keep them in place when scrolling.
  shift(conversations, offset) {
    const places = new Map(
      conversations.map((conversation, at) => [conversation.number, offset + at]),
    );
    const { first, last } = this.inSight;
    const votes = new Map();
    for (let place = first; place <= last; place += 1) {
      const number = this.known.get(place)?.number;
      if (places.has(number))
        votes.set(places.get(number) - place, (votes.get(places.get(number) - place) ?? 0) + 1);
    }
    return [...votes].sort((one, other) => other[1] - one[1])[0]?.[0] ?? 0;
  }

  render() {
    const { first, last } = this.inSight;
    const items = [];
    for (let place = Math.max(0, first - 4); place < Math.min(this.total, last + 4); place += 1) {
      const conversation = this.known.get(place);
      items.push({ key: conversation?.number ?? `blank ${place}`, place, conversation });
    }
    reconcile(this.rows, this.views, items, () => this.row());
    const nothing = this.total === 0 && this.loaded;
    if (nothing && !this.nothing) {
      this.nothing = el("p", { class: "nothing" });
      this.list.append(this.nothing);
    }
    if (nothing) setText(this.nothing, this.words ? "No message matches." : "No messages.");
    if (!nothing && this.nothing) {
      this.nothing.remove();
      this.nothing = null;
    }
    setAttribute(
      this.list,
      "aria-activedescendant",
      this.views.has(this.active) ? `row-${this.active}` : null,
    );
  }

  row() {
    const image = face("");
    const number = el("span", { class: "number" });
    const time = el("span", { class: "time" });
    const last = el("span", { class: "last" });
    const amount = el("span", { class: "amount" });
    const status = statusView({ bare: true });
    const count = el("span", { class: "count" }, status.node, amount);
    const node = el("div", { class: "row", role: "option" }, image.node, number, time, last, count);
    let shown = "";
    node.addEventListener("click", () => node.dataset.number && this.onOpen(node.dataset.number));
    return {
      node,
      update: ({ key, place, conversation }) => {
        node.style.transform = `translateY(${place * ROW}px)`;
        setAttribute(node, "aria-posinset", place + 1);
        setAttribute(node, "aria-setsize", this.total);
        setAttribute(node, "data-active", key === this.active ? "" : null);
        setAttribute(node, "aria-selected", key === this.open ? "true" : "false");
        setAttribute(node, "data-blank", conversation ? null : "");
        if (!conversation) return;
        const message = conversation.last;
        node.id = `row-${key}`;
        node.dataset.number = key;
        const unread = key !== this.open && message.sequence > (this.read.get(key) ?? this.readAll);
        setAttribute(node, "data-unread", unread ? "" : null);
        status.update(message.state);
        setText(amount, grouped(conversation.messages));
        setAttribute(
          amount,
          "aria-label",
          `${counted(conversation.messages, "message")}${unread ? ", new" : ""}`,
        );
        setText(time, when(message.accepted_at));
        const now = `${message.sequence} ${this.marks}`;
        if (shown === now) return;
        shown = now;
        image.update(message.sender);
        number.replaceChildren(...marked(phone(key), this.marks));
        const line = (message.text ?? message.wappush ?? "").replace(/\s+/g, " ").slice(0, 160);
        last.replaceChildren(...marked(`${message.sender}: ${line}`, this.marks));
      },
    };
  }

  placeOf(number) {
    for (const [place, conversation] of this.known)
      if (conversation.number === number) return place;
    return null;
  }

  // Move the selection; without a selection, start at the open conversation or the first one.
  move(by) {
    const from = this.placeOf(this.active) ?? this.placeOf(this.open);
    const start = from === null ? this.inSight.first : from + by;
    const place = Math.min(this.total - 1, Math.max(0, this.active === null ? (from ?? 0) : start));
    this.show(place);
  }

  show(place) {
    const top = place * ROW;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    else if (top + ROW > this.list.scrollTop + this.list.clientHeight)
      this.list.scrollTop = top + ROW - this.list.clientHeight;
    const conversation = this.known.get(place);
    if (conversation) this.active = conversation.number;
    else
      this.load().then(() => {
        this.active = this.known.get(place)?.number ?? null;
        this.render();
      });
    this.render();
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.list.clientHeight / ROW) - 1);
    const keys = {
      ArrowDown: () => this.move(1),
      ArrowUp: () => this.move(-1),
      PageDown: () => this.move(page),
      PageUp: () => this.move(-page),
      Home: () => this.show(0),
      End: () => this.show(Math.max(0, this.total - 1)),
      Enter: () => this.active && this.onOpen(this.active),
      " ": () => this.active && this.onOpen(this.active),
    };
    if (event.altKey || event.ctrlKey || event.metaKey || !keys[event.key] || !this.total) return;
    event.preventDefault();
    keys[event.key]();
  }

  select(number) {
    this.open = number;
    if (number) this.active = number;
    this.render();
  }

  // Messages that exist when the page opens count as read.
  startReading(sequence) {
    this.readAll = sequence;
    this.read.clear();
  }

  markRead(number, sequence) {
    this.read.set(number, sequence);
  }
}
