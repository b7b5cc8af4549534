// The chat page: what it needs at once. The rest comes with the first sign of life, so
// that a page that is only read stays light.

import { openDrawers, openFromKeys } from "./asides.js";
import { Composer } from "./composer.js";
import { Follower } from "./scrolling.js";

const ACTING =
  "[data-approve], [data-copy], [data-fold], [data-save-table], [data-edit], [data-another], [data-earlier] a, [data-picker], [data-finder]";
const find = (name) => document.querySelector(`[data-${name}]`);

/** What the parts of the page know of each other. */
export const room = {
  chat: find("chat"),
  list: find("messages"),
  id: find("chat").dataset.conversation,
  path: location.pathname,
  token: document.querySelector("meta[name=csrf-token]").content,
  words: find("words").dataset,
  follower: new Follower(find("messages"), find("to-end")),

  say(text, isOver = false) {
    const status = find("status");
    if (status.textContent !== text) {
      status.textContent = text;
    }
    status.classList.toggle("done", isOver);
  },

  /** The page now shows this conversation: address, forms, drafts. */
  adopt(id) {
    if (this.id === id) {
      return;
    }
    this.id = id;
    this.path = `/c/${id}`;
    this.chat.dataset.conversation = id;
    history.pushState(null, "", this.path);
    this.composer.adopt(id);
    document.getElementById("stop").action = `${this.path}/stop`;
    document.dispatchEvent(new Event("adopted"));
  },
};

/** A copy of one of the page's templates. */
export function blank(name) {
  const template = document.querySelector(`template[data-blank="${name}"]`);
  return template.content.firstElementChild.cloneNode(true);
}

const FOLDED_LINES = 20;

/** Gives code blocks their buttons; tables too, once they do not grow any more. */
export function decorate(root, isWhole = false) {
  for (const head of root.querySelectorAll(".code-head")) {
    if (!head.querySelector("[data-copy]")) {
      const isLong = head.nextElementSibling.textContent.split("\n", FOLDED_LINES).length === FOLDED_LINES;
      head.append(...(isLong ? [blank("fold")] : []), blank("copy"));
    }
  }
  for (const table of isWhole ? root.querySelectorAll(".table") : []) {
    if (!table.nextElementSibling?.matches(".table-acts")) {
      table.after(blank("table"));
    }
  }
}

const sending = () => import("./sending.js");

room.composer = new Composer(find("composer"), {
  conversation: room.id,
  words: room.words,
  send: async (text) => (await sending()).send(text),
  tell,
});

/** A file of ours that could not be fetched is a TypeError. */
function tell(error) {
  const isDead = error instanceof TypeError || error.code === "unreachable";
  const sentence = error.code === "signed-out" ? room.words.signedOut : error.message;
  room.composer.tell(isDead ? room.words.unreachable : sentence);
  console.warn(error);
}

document.getElementById("stop").addEventListener("submit", async (event) => {
  event.preventDefault();
  room.composer.focus();
  await import("./turns.js").then((module) => module.stop()).catch(tell);
});
document.getElementById("acts").addEventListener("submit", async (event) => {
  event.preventDefault();
  await import("./acts.js").then((module) => module.act(event.submitter)).catch(tell);
});
document.addEventListener("click", async (event) => {
  const button = event.target.closest(ACTING);
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);
  if (!button || !plain) {
    return;
  }
  event.preventDefault();
  try {
    if (button.matches("[data-picker]")) {
      await (await import("./picker.js")).pick();
    } else if (button.matches("[data-finder]")) {
      await (await import("./finding.js")).openFinder();
    } else {
      await (await import("./acts.js")).clicked(button);
    }
  } catch (error) {
    tell(error);
  }
});
openDrawers();
openFromKeys(room, tell);
addEventListener("offline", () => room.say(room.words.offline));
addEventListener("online", () => room.say("", true));
// From the socket: a turn began or ended in this conversation, perhaps in another tab; or
// nobody knows what did, because the line was dead.
document.addEventListener("news", async ({ detail }) => {
  const isHere = detail.conversationId === room.id && detail.type.startsWith("turn-");
  if (room.id && (isHere || detail.type === "missed")) {
    await import("./sending.js").then((module) => module.lookAgain()).catch(tell);
  }
});
addEventListener("popstate", () => {
  if (location.pathname !== room.path) {
    location.reload();
  }
});

const isNew = performance.getEntriesByType("navigation")[0]?.type === "navigate";
if (isNew && !document.getElementById(location.hash.slice(1))) {
  room.follower.goToEnd();
} else {
  room.follower.hold(); // where the address or the browser's memory leads
  addEventListener("load", () => room.follower.settle(), { once: true });
}
decorate(room.list, true);
// Loaded before it is needed, because the line may be dead when it is.
for (const sign of ["pointermove", "pointerdown", "keydown", "input"]) {
  addEventListener(sign, () => sending().catch(() => {}), { once: true, passive: true });
}
if (room.list.querySelector("[data-running]") || localStorage.getItem(`unsent:${room.composer.person}`)) {
  sending().then((module) => module.resume());
}
