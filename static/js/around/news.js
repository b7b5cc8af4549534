// What comes over the socket, on the page: marks and titles in the list of conversations,
// and notices.

import { textOf } from "./fetching.js";

const find = (name, root = document) => root.querySelector(`[data-${name}]`);
const MARKED = "data-conversation-item";
const openHere = () => find("chat")?.dataset.conversation ?? "";
const pathOf = (id, action) => `/c/${encodeURIComponent(id)}/${action}`;
const fetching = new Map();

function lines(id) {
  return document.querySelectorAll(`[${MARKED}="${CSS.escape(id)}"]`);
}

function mark(id, { running, unread }) {
  for (const line of lines(id)) {
    find("running-sign", line).hidden = !running;
    find("unread-sign", line).hidden = !unread;
  }
}

function markSeen(id) {
  for (const line of lines(id)) {
    find("unread-sign", line).hidden = true;
  }
}

const isMine = (id) => ![...lines(id)].some((line) => line.closest("[data-shared]"));

/** Puts a conversation that the list does not show yet on top of it; the news that come
 * meanwhile wait for it. */
async function fetchLine(id) {
  if (!find("listed") || lines(id).length) {
    return;
  }
  if (!fetching.has(id)) {
    fetching.set(id, textOf(pathOf(id, "listed")));
  }
  const text = await fetching.get(id);
  fetching.delete(id);
  if (text && lines(id).length === 0) {
    const line = document.createRange().createContextualFragment(text); // the server's own template
    const isShared = line.querySelector("[data-of-another]");
    find(isShared ? "shared" : "conversations").prepend(line);
    find("no-conversations")?.remove();
  }
}

/** What is answered now stands first, but for what stays in its place. */
function raise(id) {
  for (const line of lines(id)) {
    const stays = line.closest("[data-pinned]") || line.contains(document.activeElement);
    if (!stays) {
      find(line.closest("[data-shared]") ? "shared" : "conversations").prepend(line);
    }
  }
}

function entitle(id, title) {
  for (const line of lines(id)) {
    line.querySelector("a > span").textContent = title;
  }
  if (openHere() === id) {
    find("title").textContent = title;
    document.title = `${title} · ${document.title.split(" · ").pop()}`;
  }
}

function see(id) {
  if (isMine(id)) {
    const token = document.querySelector("meta[name=csrf-token]").content;
    fetch(pathOf(id, "seen"), { method: "POST", headers: { "X-CSRFToken": token } }).catch(() => {});
  }
}

/** A reply that somebody looks at is no news. */
async function ended(id) {
  await fetchLine(id);
  const isSeen = openHere() === id && document.visibilityState === "visible";
  mark(id, { running: false, unread: !isSeen });
  if (isSeen) {
    see(id);
  }
}

/** The person is back at this page. */
export function look() {
  const id = openHere();
  const unread = [...lines(id)].some((line) => !find("unread-sign", line).hidden);
  if (id && unread) {
    markSeen(id);
    see(id);
  }
}

/** Stays until somebody closes it. */
function warn(text) {
  const notice = find("blank-notice").content.firstElementChild.cloneNode(true);
  find("text", notice).textContent = text;
  find("close", notice).addEventListener("click", () => notice.remove());
  find("news").append(notice);
}

/** The list as it is now: the line was dead for a while. */
async function refresh() {
  const text = find("listed") && (await textOf(location.href));
  if (text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    const fresh = find("listed", page);
    if (fresh && !find("listed").contains(document.activeElement)) {
      find("listed").replaceChildren(...fresh.childNodes);
    }
  }
}

export async function hear(news) {
  const id = news.conversationId;
  if (news.type === "turn-begun" || news.type === "turn-started") {
    await fetchLine(id);
    mark(id, { running: true, unread: false });
    raise(id);
  } else if (news.type === "turn-ended") {
    await ended(id);
  } else if (news.type === "conversation-titled") {
    entitle(id, news.title);
  } else if (news.type === "conversation-seen") {
    markSeen(id);
  } else if (news.type === "budget-used") {
    warn(news.text);
  } else if (news.type === "missed") {
    await refresh();
  }
}
