// One conversation as bubbles; only a part of the messages is in the document.
// Rule: visible messages do not move when others are added or removed.

import { attempt } from "./announce.js";
import { api } from "./api.js";
import { el, reconcile, setAttribute, setText } from "./dom.js";
import { face } from "./faces.js";
import { clock, counted, day, dayKey, grouped, phone } from "./format.js";
import { icon } from "./icons.js";
import { paced } from "./pace.js";
import { statusView } from "./statuses.js";
import { link, textNodes } from "./texts.js";

const PAGE = 80;
const MOST = 240; // bubbles in the document
const NEAR = 700; // pixels from an end at which more messages are loaded
const AT_END = 48;

const BUBBLES = {
  day: (item) => ({
    node: el("div", { class: "day", role: "separator" }, day(item.at)),
    update: null,
  }),
  sender: (item) => ({ node: el("div", { class: "sender" }, item.sender), update: null }),
};

export class Thread {
  constructor({ home, onBack, onDetails, onSeen, onAll, hasSeveral }) {
    Object.assign(this, { home, onBack, onDetails, onSeen, onAll, hasSeveral });
    this.number = null;
    this.refresh = paced(() => this.reload());
    new ResizeObserver(() => this.stuck && this.toEnd()).observe(home);
  }

  get isOpen() {
    return this.number !== null;
  }

  close() {
    this.number = null;
    this.home.replaceChildren();
  }

  // Resolves when the messages are loaded, to whether this conversation is still open.
  async show(number, search) {
    this.number = number;
    this.search = search;
    this.marks = [];
    this.messages = [];
    this.views = new Map();
    this.older = this.newer = this.loading = this.missed = false;
    this.opening = true;
    this.stuck = true;
    this.total = this.totalSeen = this.seenTop = 0;
    this.chosen = null;
    this.focused = null;
    this.loaded = false;
    this.frame();
    const { list } = this;
    await attempt(
      () => this.load({ limit: PAGE }, (page) => this.change(() => this.replaceQuietly(page))),
      { quietly: true },
    );
    if (!this.isOpen || list !== this.list) return false;
    this.opening = false;
    if (this.missed) this.refresh();
    return true;
  }

  frame() {
    this.image = face(this.number);
    this.title = el("h2", { tabindex: "-1" }, phone(this.number));
    this.about = el("p", {});
    this.list = el("div", {
      class: "messages",
      role: "group",
      "aria-label": `Messages to ${this.number}`,
    });
    this.scroller = el("div", { class: "scroll" }, this.list);
    this.chip = el(
      "button",
      { type: "button", class: "new", hidden: true, on: { click: () => this.toNewest() } },
      icon("down"),
      el("span"),
    );
    const back = el(
      "button",
      {
        type: "button",
        class: "plain square back",
        "aria-label": "Back to the conversations",
        on: { click: this.onBack },
      },
      icon("back"),
    );
    const first = el(
      "button",
      { type: "button", class: "plain small", hidden: true, on: { click: () => this.toOldest() } },
      "First message",
    );
    const only = this.search
      ? el(
          "div",
          { class: "only" },
          el("span", {}, `Only what is found by “${this.search}”`),
          el(
            "button",
            { type: "button", class: "plain small", on: { click: this.onAll } },
            "Show all",
          ),
        )
      : null;
    this.first = first;
    this.home.replaceChildren(
      el(
        "header",
        { class: "top" },
        back,
        this.image.node,
        el("div", { class: "about" }, this.title, this.about),
        first,
      ),
      ...(only ? [only] : []),
      this.scroller,
      this.chip,
    );
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("focusin", (event) =>
      this.rove(event.target.closest(".message")?.dataset.id),
    );
    this.list.addEventListener("click", (event) => this.clicked(event));
  }

  // Loading

  async load(fields, take = (page) => this.replace(page)) {
    const { number, search, list } = this;
    const page = await api.messages({ to: number, search, ...fields });
    // A conversation was opened in the meantime, so this answer may be outdated.
    if (!this.isOpen || list !== this.list) return;
    this.total = page.total;
    this.marks = page.marks;
    this.loaded = true;
    take(page);
  }

  async reload() {
    if (!this.isOpen) return;
    // Two answers at the same time may arrive in the wrong order.
    if (this.opening) {
      this.missed = true;
      return;
    }
    const last = this.messages.at(-1);
    if (!last || (this.stuck && !this.newer)) {
      await this.load({ limit: PAGE }, (page) => {
        const joins = last && (!page.older || page.messages[0]?.sequence <= last.sequence + 1);
        const overlaps =
          joins && page.messages.some((message) => message.sequence <= last.sequence);
        this.change(() => (overlaps ? this.append(page) : this.replaceQuietly(page)));
      });
      return;
    }
    const from = this.firstInSight();
    const at = Math.max(
      0,
      this.messages.findIndex((message) => message.sequence === from),
    );
    await this.load(
      { after: this.messages[at].sequence - 1, limit: this.messages.length - at },
      (page) => {
        if (this.total === 0) this.replaceQuietly(page);
        else this.newer = page.newer;
        this.change(() => {
          this.dropDeleted(page, from);
          this.update(page.messages);
        });
      },
    );
  }

  async more(fields, take) {
    if (this.loading || !this.isOpen) return;
    this.loading = true;
    await attempt(
      () => this.load({ limit: PAGE, ...fields }, (page) => this.change(() => take(page))),
      { quietly: true },
    );
    this.loading = false;
    this.scrolled();
  }

  loadOlder() {
    return this.more({ before: this.messages[0].sequence }, (page) => {
      const first = this.messages[0]?.sequence ?? Infinity;
      this.messages = [
        ...page.messages.filter((message) => message.sequence < first),
        ...this.messages,
      ];
      this.older = page.older;
      if (this.messages.length > MOST) {
        this.messages.length = MOST;
        this.newer = true;
      }
    });
  }

  loadNewer() {
    return this.more({ after: this.messages.at(-1).sequence }, (page) => this.append(page));
  }

  replaceQuietly(page) {
    this.messages = page.messages;
    this.older = page.older;
    this.newer = page.newer;
  }

  replace(page) {
    this.replaceQuietly(page);
    this.render();
  }

  append(page) {
    const last = this.messages.at(-1)?.sequence ?? 0;
    this.dropDeleted(page, page.older ? (page.messages[0]?.sequence ?? Infinity) : 0);
    this.update(page.messages);
    this.messages.push(...page.messages.filter((message) => message.sequence > last));
    this.newer = page.newer;
    if (this.messages.length > MOST) {
      this.messages.splice(0, this.messages.length - MOST);
      this.older = true;
    }
  }

  // Remove the messages that the page should have, from this sequence on, and has not.
  dropDeleted(page, from) {
    const stored = new Set(page.messages.map((message) => message.sequence));
    const to = page.newer ? (page.messages.at(-1)?.sequence ?? 0) : Infinity;
    this.messages = this.messages.filter(
      ({ sequence }) => sequence < from || sequence > to || stored.has(sequence),
    );
  }

  update(messages) {
    const fresh = new Map(messages.map((message) => [message.sequence, message]));
    this.messages = this.messages.map((message) => fresh.get(message.sequence) ?? message);
  }

  // Showing

  // Change the messages, and keep the first visible bubble, or the end, in place.
  change(alter) {
    // The browser reports scrolling only at the next frame, so the position may be newer.
    if (this.scroller.scrollTop !== this.seenTop) this.scrolled();
    const anchor = this.stuck
      ? null
      : this.list.querySelector(`[data-sequence="${this.firstInSight()}"]`);
    const before = anchor?.getBoundingClientRect().top;
    alter();
    this.render();
    if (this.stuck && !this.newer) this.toEnd();
    else if (anchor?.isConnected)
      this.scroller.scrollTop += anchor.getBoundingClientRect().top - before;
  }

  render() {
    const items = [];
    let previous = null;
    let before = null;
    for (const message of this.messages) {
      const sameDay = previous && dayKey(previous.accepted_at) === dayKey(message.accepted_at);
      if (!sameDay)
        items.push({
          kind: "day",
          key: `day ${dayKey(message.accepted_at)}`,
          at: message.accepted_at,
        });
      const sender = this.hasSeveral()
        ? `${message.sender} · account ${message.account}`
        : message.sender;
      if (!sameDay || before !== sender)
        items.push({ kind: "sender", key: `sender ${message.sequence}`, sender });
      items.push({ kind: "message", key: message.sequence, message });
      previous = message;
      before = sender;
    }
    if (this.loaded && !this.messages.length) items.push({ kind: "none", key: "none" });
    reconcile(this.list, this.views, items, (item) =>
      (BUBBLES[item.kind] ?? ((one) => this[one.kind](one)))(item),
    );
    this.title.parentNode.hidden = false;
    if (previous) this.image.update(previous.sender);
    const shown = this.search
      ? `${counted(this.total, "message")} found`
      : counted(this.total, "message");
    setText(this.about, this.loaded ? shown : "");
    this.first.hidden = !this.older;
    if (this.stuck && !this.newer) {
      this.totalSeen = this.total;
      if (previous) this.onSeen(this.number, previous.sequence);
    }
    this.renderChip();
    this.rove(this.focused);
  }

  renderChip() {
    const fresh = this.total - this.totalSeen;
    this.chip.hidden =
      (this.stuck && !this.newer) || (!this.newer && fresh <= 0 && this.fromEnd() < 600);
    setText(this.chip.lastChild, fresh > 0 ? `${grouped(fresh)} new` : "Newest");
  }

  none() {
    return {
      node: el(
        "p",
        { class: "quiet" },
        this.search ? "No message to this number matches." : "No messages to this number.",
      ),
      update: null,
    };
  }

  message({ message: first }) {
    const status = statusView();
    const hand = el("span", { hidden: true }, "set by hand");
    const parts = el("span", {}, counted(first.parts, "part"));
    const credits = el("span", {}, counted(first.credits, "credit"));
    const hint = first.saving
      ? el("span", { class: "saving" }, `UCS-2; GSM: ${counted(first.saving.parts, "part")}`)
      : null;
    const button = el(
      "button",
      { type: "button", class: "meta", tabindex: "-1", title: "Show the details" },
      el("span", {}, clock(first.accepted_at)),
      parts,
      credits,
      hint,
      status.node,
      hand,
    );
    const body = el("div", { class: "bubble" });
    if (first.wappush !== null)
      body.append(
        el("div", { class: "push" }, icon("link"), "WAP push"),
        el("p", { dir: "auto" }, link(first.wappush, this.marks)),
      );
    if (first.text !== null)
      body.append(el("p", { dir: "auto" }, ...textNodes(first.text, first.code, this.marks)));
    const node = el(
      "div",
      {
        class: "message",
        role: "article",
        "aria-label": `From ${first.sender} at ${clock(first.accepted_at)}`,
        "data-id": first.id,
        "data-sequence": first.sequence,
      },
      body,
      button,
    );
    return {
      node,
      update: ({ message }) => {
        status.update(message.state);
        hand.hidden = !message.forced;
        setAttribute(node, "data-open", message.id === this.chosen ? "" : null);
        setAttribute(button, "aria-expanded", message.id === this.chosen ? "true" : "false");
      },
    };
  }

  choose(id) {
    this.chosen = id;
    if (this.isOpen) this.render();
  }

  // Scrolling

  fromEnd() {
    return this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight;
  }

  toEnd() {
    if (!this.isOpen) return;
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.seenTop = this.scroller.scrollTop;
  }

  firstInSight() {
    const top = this.scroller.getBoundingClientRect().top;
    // The bubbles are sorted from top to bottom.
    let [low, high] = [0, this.messages.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      const node = this.views.get(this.messages[middle].sequence)?.node;
      if (node && node.getBoundingClientRect().bottom <= top) low = middle + 1;
      else high = middle;
    }
    return this.messages[low]?.sequence;
  }

  scrolled() {
    if (!this.isOpen || !this.messages.length) return;
    this.seenTop = this.scroller.scrollTop;
    const wasStuck = this.stuck;
    this.stuck = this.fromEnd() < AT_END && !this.newer;
    if (this.stuck && !wasStuck) this.refresh();
    if (this.stuck) {
      this.totalSeen = this.total;
      this.onSeen(this.number, this.messages.at(-1).sequence);
    }
    if (this.older && this.scroller.scrollTop < NEAR) this.loadOlder();
    else if (this.newer && this.fromEnd() < NEAR) this.loadNewer();
    this.renderChip();
  }

  async toOldest() {
    this.stuck = false;
    await attempt(() => this.load({ after: 0, limit: PAGE }), { quietly: true });
    this.scroller.scrollTop = 0;
    this.focus(this.messages[0]?.id);
  }

  async toNewest() {
    if (this.newer) await attempt(() => this.load({ limit: PAGE }), { quietly: true });
    this.stuck = true;
    this.render();
    this.toEnd();
    this.focus(this.messages.at(-1)?.id);
  }

  // Keys: the Tab key reaches one bubble, and the arrow keys move to the others

  rove(id) {
    const message = this.messages.find((one) => one.id === id) ?? this.messages.at(-1);
    if (this.roved && this.roved !== message)
      this.buttonOf(this.roved)?.setAttribute("tabindex", "-1");
    this.roved = message;
    this.focused = id && message?.id === id ? id : null;
    this.buttonOf(message)?.setAttribute("tabindex", "0");
  }

  buttonOf(message) {
    return message && this.views.get(message.sequence)?.node.querySelector(".meta");
  }

  focus(id = this.focused) {
    const message = this.messages.find((one) => one.id === id) ?? this.messages.at(-1);
    (this.buttonOf(message) ?? this.title).focus({ preventScroll: this.stuck });
    if (!this.stuck && message)
      this.views.get(message.sequence)?.node.scrollIntoView({ block: "nearest" });
  }

  step(by) {
    const at = this.messages.findIndex((one) => one.id === this.focused);
    const next =
      this.messages[
        Math.min(
          this.messages.length - 1,
          Math.max(0, (at < 0 ? this.messages.length - 1 : at) + by),
        )
      ];
    const button = this.buttonOf(next);
    button?.focus({ preventScroll: true });
    button?.closest(".message").scrollIntoView({ block: "nearest" });
  }

  key(event) {
    const keys = {
      ArrowDown: () => this.step(1),
      ArrowUp: () => this.step(-1),
      PageDown: () => this.step(8),
      PageUp: () => this.step(-8),
      Home: () => this.toOldest(),
      End: () => this.toNewest(),
    };
    if (event.altKey || event.ctrlKey || event.metaKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }

  clicked(event) {
    const node = event.target.closest(".message");
    const selected = String(getSelection()) && !event.target.closest(".meta");
    if (!node || event.target.closest("a, .code") || selected) return;
    this.focused = node.dataset.id;
    this.onDetails(node.dataset.id);
  }
}
