// The transcript: messages from the page's templates, copy buttons, and the scrolling
// that follows the newest text.

const NEAR_END_PX = 60;

/** A copy of one of the page's templates. */
export function blank(name) {
  const template = document.querySelector(`template[data-blank="${name}"]`);
  return template.content.firstElementChild.cloneNode(true);
}

/** A small button, found again by `data-<data>`. */
export function button(label, data) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "text-button";
  element.textContent = label;
  element.dataset[data] = "";
  return element;
}

/** Gives code blocks, and replies that have ended, their copy buttons. */
export function decorate(root) {
  if (!navigator.clipboard) {
    return;
  }
  const places = root.querySelectorAll(".code-head, [data-reply]:not([data-growing]) ~ .meta");
  for (const place of places) {
    if (!place.querySelector("[data-copy]")) {
      const inCode = place.matches(".code-head");
      place[inCode ? "append" : "prepend"](button("Copy", "copy"));
    }
  }
}

/** Copies what a copy button belongs to. */
export async function copy(copyButton) {
  const code = copyButton.closest(".code")?.querySelector("code");
  const reply = copyButton.closest("[data-message]").querySelector("[data-reply]");
  await navigator.clipboard.writeText(code ? code.textContent : reply.innerText);
  copyButton.textContent = "Copied";
  setTimeout(() => (copyButton.textContent = "Copy"), 1500);
}

export function addQuestion(list, text) {
  const article = blank("user");
  article.querySelector("[data-text]").textContent = text;
  list.append(article);
  return article;
}

export function addReply(list) {
  const article = blank("reply");
  list.append(article);
  return article;
}

/** The turn ended while nobody listened: what the server has stored is the truth. */
export function reloadOnce(replyId) {
  const isFirst = sessionStorage.getItem("reloaded") !== replyId;
  if (isFirst) {
    sessionStorage.setItem("reloaded", replyId);
    location.reload();
  }
  return isFirst;
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
  link.textContent = title;
  link.setAttribute("aria-current", "page");
}

/** Keeps the newest text in view, unless the reader has scrolled up. */
export class Follower {
  constructor(toEnd) {
    this.toEnd = toEnd;
    this.following = true;
    this.top = scrollY;
    addEventListener("scroll", () => this.#scrolled(), { passive: true });
    addEventListener("resize", () => this.grown());
    toEnd.addEventListener("click", () => this.goToEnd());
  }

  get #isAtEnd() {
    return document.documentElement.scrollHeight - innerHeight - scrollY < NEAR_END_PX;
  }

  goToEnd() {
    this.following = true;
    scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
    this.toEnd.hidden = true;
  }

  /** To be called when the transcript has changed. */
  grown() {
    if (this.following) {
      this.goToEnd();
    } else {
      this.toEnd.hidden = this.#isAtEnd;
    }
  }

  #scrolled() {
    const isAtEnd = this.#isAtEnd;
    if (isAtEnd || scrollY < this.top) {
      this.following = isAtEnd;
    }
    this.top = scrollY;
    this.toEnd.hidden = isAtEnd;
  }
}
