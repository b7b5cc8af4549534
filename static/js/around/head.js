// The head of the chat: after its first message sharing, downloads and the rest, as the
// server renders them; and its title, as a person wants it.

import { textOf } from "./fetching.js";
import { hear } from "./news.js";

export async function renew() {
  const text = await textOf(location.pathname);
  if (text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    const fresh = page.querySelector("[data-head]");
    document.querySelector("[data-head]").replaceChildren(...fresh.childNodes);
  }
}

/** In the background; other pages hear of it over the socket. */
export async function rename(form) {
  const answer = await fetch(form.action, { method: "POST", body: new FormData(form) }).catch(() => null);
  if (!answer?.ok) {
    form.submit(); // the page says what is wrong
    return;
  }
  const { conversation: conversationId } = document.querySelector("[data-chat]").dataset;
  const title = form.elements.title.value.trim();
  hear({ type: "conversation-titled", conversationId, title });
  const menu = form.closest("[data-menu]");
  menu.open = form.closest("details").open = false;
  menu.querySelector("summary").focus();
}
