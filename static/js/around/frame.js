// What every page of a signed-in person has: live marks in the list of conversations,
// shortcuts, and the palette, which is fetched when it is first wanted.

const find = (name, root = document) => root.querySelector(`[data-${name}]`);
const MARKED = "data-conversation-item";
const RETRY_MS = { first: 1_000, most: 60_000 };
const { new: home, keys } = document.querySelector("script[data-keys]").dataset;
const openHere = () => find("chat")?.dataset.conversation ?? "";
const pathOf = (id, action) => `/c/${encodeURIComponent(id)}/${action}`;

// ------------------------------------------------------------------- the list, live

function lines(id) {
  return document.querySelectorAll(`[${MARKED}="${CSS.escape(id)}"]`);
}

function mark(id, { running, unread }) {
  for (const line of lines(id)) {
    find("running-sign", line).hidden = !running;
    find("unread-sign", line).hidden = !unread;
  }
}

/** Puts a conversation that the list does not show yet on top of it. */
async function fetchLine(id) {
  const list = find("conversations");
  const answer = list && (await fetch(pathOf(id, "listed")).catch(() => null));
  if (answer?.ok && lines(id).length === 0) {
    list.insertAdjacentHTML("afterbegin", await answer.text());
    find("no-conversations")?.remove();
  }
}

function entitle(id, title) {
  for (const line of lines(id)) {
    (line.querySelector("a > span") ?? line.querySelector("a")).textContent = title;
  }
}

function see(id) {
  const token = document.querySelector("meta[name=csrf-token]").content;
  fetch(pathOf(id, "seen"), { method: "POST", headers: { "X-CSRFToken": token } }).catch(() => {});
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

function warn(text) {
  const notice = document.createElement("p");
  notice.textContent = text;
  find("news").replaceChildren(notice);
}

async function hear(news) {
  // The chat page follows what happens in its conversation elsewhere.
  document.dispatchEvent(new CustomEvent("news", { detail: news }));
  const id = news.conversationId;
  if (news.type === "turn-begun" || news.type === "turn-started") {
    await fetchLine(id);
    mark(id, { running: true, unread: false });
  } else if (news.type === "turn-ended") {
    await ended(id);
  } else if (news.type === "conversation-titled") {
    entitle(id, news.title);
  } else if (news.type === "budget-used") {
    warn(news.text);
  }
}

function listen(wait = RETRY_MS.first) {
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws/news`);
  let next = Math.min(wait * 2, RETRY_MS.most);
  socket.addEventListener("open", () => (next = RETRY_MS.first));
  socket.addEventListener("message", (event) => hear(JSON.parse(event.data)));
  socket.addEventListener("close", () => setTimeout(() => listen(next), wait));
}

document.addEventListener("visibilitychange", () => {
  const id = openHere();
  const unread = [...lines(id)].some((line) => !find("unread-sign", line).hidden);
  if (id && unread && document.visibilityState === "visible") {
    mark(id, { running: false, unread: false });
    see(id);
  }
});

// ------------------------------------------------------------------------ shortcuts

/** Open at once, so that the next letter goes into it; closing gives the focus back. */
async function openPalette() {
  const dialog = find("palette");
  if (dialog.open) {
    dialog.close();
    return;
  }
  find("palette-field").value = "";
  dialog.showModal();
  const { refresh } = await import("./palette.js");
  refresh(dialog);
}

/** To the neighbour in the list of the conversation that is open. */
function step(by) {
  const links = [...document.querySelectorAll(`[data-listed] [${MARKED}] a`)];
  const here = links.findIndex((link) => link.hasAttribute("aria-current"));
  links[here < 0 ? 0 : here + by]?.click();
}

function keyed(event) {
  const held = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (held && key === "k") {
    openPalette();
  } else if (held && event.shiftKey && key === "o") {
    location.assign(home);
  } else if (held && key === "/") {
    location.assign(keys);
  } else if (event.altKey && (key === "arrowup" || key === "arrowdown")) {
    step(key === "arrowup" ? -1 : 1);
  } else if (event.shiftKey && key === "escape") {
    document.getElementById("message")?.focus();
  } else {
    return;
  }
  event.preventDefault();
}

addEventListener("keydown", keyed);
for (const menu of document.querySelectorAll("[data-menu], .who")) {
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}

find("find")?.addEventListener("focusin", () => import("./searching.js"), { once: true });
if (find("bulk")) {
  import("./picking.js");
}
listen();
