// Owns live updates: one open stream for each address in a browser, shared between its pages and closed while none is visible.
// A message makes the fragment named by data-live-swap be read again, at most once a second.
import { refresh } from "./fragments.js";

const EVERY = 1000;
const POLL = 15000;
const ANSWER = 250;
const channel = "BroadcastChannel" in window ? new BroadcastChannel("stocky-live") : null;
const followed = new Map();

class Follower {
  constructor(url) {
    this.url = url;
    this.names = new Set();
    this.last = 0;
  }

  start() {
    if (this.source || this.shared || document.hidden) return;
    clearTimeout(this.waiting);
    // A page that already has this stream open responds within ANSWER, and then forwards its messages.
    channel?.postMessage({ ask: this.url });
    this.waiting = setTimeout(() => this.shared || this.open(), channel ? ANSWER + Math.random() * 100 : 0);
  }

  open() {
    this.source = new EventSource(this.url);
    const hear = () => {
      channel?.postMessage({ message: this.url });
      this.changed();
    };
    for (const type of ["message", "stock", "reset", "job", "log"]) this.source.addEventListener(type, hear);
    // Changes between the page and the start of its stream are in no message.
    this.source.addEventListener("open", () => this.changed());
    this.source.addEventListener("error", () => {
      if (this.source?.readyState !== EventSource.CLOSED) return;
      // Refused or ended: the fragment shows the reason, and is read again from time to time.
      this.stop();
      this.changed();
      this.waiting = setTimeout(() => this.start(), POLL);
    });
  }

  stop() {
    clearTimeout(this.waiting);
    this.shared = false;
    if (!this.source) return;
    this.source.close();
    this.source = null;
    channel?.postMessage({ left: this.url });
  }

  changed() {
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.last = Date.now();
      for (const name of this.names) refresh(name).catch(() => {});
      prune();
    }, Math.max(0, this.last + EVERY - Date.now()));
  }
}

// A job that has ended has no data-live in its fragment any more.
function prune() {
  for (const [url, follower] of followed) {
    if (document.querySelector(`[data-live="${CSS.escape(url)}"]`)) continue;
    follower.stop();
    // Do not read it again: the user may be typing into it.
    clearTimeout(follower.timer);
    followed.delete(url);
  }
}

export function follow(root) {
  for (const element of root.querySelectorAll("[data-live]")) {
    const { live, liveSwap } = element.dataset;
    if (!followed.has(live)) followed.set(live, new Follower(live));
    followed.get(live).names.add(liveSwap);
    followed.get(live).start();
  }
  prune();
}

// At once: the browser opens the stream of an ended job again, and would read the fragment under an open dialog.
document.addEventListener("stocky:swap", prune);
channel?.addEventListener("message", ({ data }) => {
  const follower = followed.get(data.ask ?? data.have ?? data.message ?? data.left);
  if (!follower) return;
  if (data.ask && follower.source) channel.postMessage({ have: data.ask });
  else if (data.have && !follower.source) {
    follower.shared = true;
    follower.changed();
  }
  else if (data.message) follower.changed();
  else if (data.left && !follower.source) {
    follower.shared = false;
    follower.start();
  }
});
document.addEventListener("visibilitychange", () => {
  for (const follower of followed.values()) {
    if (document.hidden) follower.stop();
    else {
      follower.changed();
      follower.start();
    }
  }
});
addEventListener("pagehide", () => followed.forEach((follower) => follower.stop()));
