// The messages on the page: new ones from its templates, finished ones as the server
// renders them.

import { blank, decorate, room } from "./page.js";
import { fragment } from "./stream.js";

// Of what the server rendered: its text by article, to tell whether anything is new.
const rendered = new WeakMap();

/** Of an article that grows here: the server's is another one from now on. */
export const outgrow = (article) => rendered.delete(article);

export function addQuestion(text) {
  const article = blank("user");
  const bubble = article.querySelector("[data-text]");
  bubble.textContent = text;
  if (text.length > 300 || text.split("\n").length > 9) {
    bubble.tabIndex = 0;
  }
  room.chat.classList.remove("blank");
  room.list.append(article);
  return article;
}

export function addReply() {
  const article = blank("reply");
  const form = room.composer.form;
  article.querySelector("[data-author]").textContent = form.querySelector("[data-picked]").textContent;
  article.querySelector(".avatar").replaceWith(form.querySelector(".avatar").cloneNode(true));
  room.list.append(article);
  return article;
}

/** Removes a message and all below it from the page, but not what is still unsent. */
export function removeFrom(article) {
  for (let next = article; next; ) {
    const [doomed, isUnsent] = [next, next.querySelector(".unsent")];
    next = next.nextElementSibling;
    if (!isUnsent) {
      doomed.remove();
    }
  }
}

async function load(query) {
  const template = document.createElement("template");
  // From our own server, which has sanitised all that is not its own in it.
  template.innerHTML = await fragment(`${room.path}/messages?${new URLSearchParams(query)}`);
  const content = template.content;
  const gauge = content.querySelector("[data-new-gauge]");
  if (gauge) {
    document.querySelector("[data-gauge]").replaceChildren(gauge.content);
    gauge.remove();
  }
  return content;
}

function afterText(article) {
  const children = [...article.children];
  return children.slice(children.findIndex((child) => child.matches("[data-reply], [data-text]")) + 1);
}

/** Makes of an article that has grown here the one that the server rendered; its text
 * is the same and stays untouched. */
function settle(old, fresh) {
  rendered.set(old, fresh.outerHTML);
  old.id = fresh.id;
  old.dataset.message = fresh.dataset.message;
  old.querySelector("h2").replaceWith(fresh.querySelector("h2"));
  for (const part of afterText(old)) {
    part.remove();
  }
  old.append(...afterText(fresh));
}

const idOf = (article) => article.dataset.message;

/** The messages on the page from this one on; those that the server has not confirmed
 * have no id yet. */
function shownFrom(messageId) {
  const all = [...room.list.querySelectorAll("[data-message]")];
  const place = all.findIndex((one) => idOf(one) === messageId);
  return place < 0 ? [] : all.slice(place);
}

/** Brings the messages from this one on into line with the server's. */
export async function refresh(messageId) {
  const content = await load({ from: messageId });
  const freshOnes = [...content.querySelectorAll("[data-message]")];
  const shown = shownFrom(messageId);
  const isBusy = room.composer.running || shown.some((one) => !idOf(one) || one.querySelector(".editor"));
  if (shown.length && !isBusy && String(shown.map(idOf)) !== String(freshOnes.map(idOf))) {
    put(content, shown[0], messageId); // another branch was chosen elsewhere
    return;
  }
  const known = new Map(shown.map((one) => [idOf(one), one]));
  for (const fresh of freshOnes) {
    const old = known.get(idOf(fresh));
    if (old) {
      settle(old, fresh);
    }
  }
}

/** Shows what the server has from this message on, in place of `article` and all below;
 * or the newest messages, if it shows another branch. What is the same stays untouched,
 * and all of it where that is not `isWanted` any more when it has come. */
export async function replaceFrom(article, messageId, isWanted = () => true) {
  const content = await load(messageId ? { from: messageId } : {});
  if (!isWanted()) {
    return;
  }
  const old = shownFrom(messageId).map((one) => rendered.get(one) ?? "");
  const fresh = [...content.querySelectorAll("[data-message]")].map((one) => one.outerHTML);
  if (!messageId || old.length !== fresh.length || old.some((text, place) => text !== fresh[place])) {
    put(content, article, messageId);
  }
}

function put(content, article, messageId) {
  const first = content.querySelector("[data-message]")?.dataset.message;
  // It may have been replaced meanwhile, by itself or by another branch.
  const known = article?.isConnected ? article : article && document.getElementById(article.id);
  if (article && first === messageId && !known) {
    return;
  }
  removeFrom(known && first === messageId ? known : room.list.firstElementChild);
  for (const fresh of content.querySelectorAll("[data-message]")) {
    rendered.set(fresh, fresh.outerHTML);
  }
  const unsent = [...room.list.children].find((one) => one.querySelector(".unsent"));
  room.list.insertBefore(content, unsent ?? null);
  decorate(room.list, true);
}

/** A page of the messages above the first one, without moving what is being read. */
export async function showEarlier(link) {
  const first = room.list.querySelector("[data-message]");
  link.setAttribute("aria-busy", "true");
  const content = await load({ before: first.dataset.message });
  decorate(content, true);
  room.follower.keepPlace(first, () => {
    link.closest("[data-earlier]").remove();
    room.list.prepend(content);
  });
  first.previousElementSibling?.querySelector("button, a")?.focus({ preventScroll: true });
}

/** Puts a conversation's title on the page, and first into the list. */
export function entitle({ id, title }) {
  document.querySelector("[data-title]").textContent = title;
  document.title = `${title} · ${document.title.split(" · ").pop()}`;
  const known = document.querySelector(`[data-conversation-item="${CSS.escape(id)}"]`);
  const item = known ?? blank("item");
  item.dataset.conversationItem = id;
  document.querySelector("[data-conversations]").prepend(item);
  document.querySelector("[data-no-conversations]")?.remove();
  const link = item.querySelector("a");
  link.href = `/c/${id}`;
  (link.querySelector("span") ?? link).textContent = title;
  link.setAttribute("aria-current", "page");
}
