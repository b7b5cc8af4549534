// What every page of a signed-in person has: news over a socket, shortcuts, dialogs. What
// these need is fetched when they are first wanted.

const find = (name, root = document) => root.querySelector(`[data-${name}]`);
const RETRY_MS = { first: 1_000, most: 60_000 };
const { new: home, keys } = document.querySelector("script[data-keys]").dataset;
const YEAR = 60 * 60 * 24 * 365;

// Dates are written by the server, which else would know no zone but its own.
const zone = encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone);
document.cookie = `zone=${zone};path=/;max-age=${YEAR};samesite=lax`;

// ----------------------------------------------------------------------------- news

async function hear(news) {
  // The chat page follows what happens in its conversation elsewhere.
  document.dispatchEvent(new CustomEvent("news", { detail: news }));
  await import("./news.js").then((module) => module.hear(news));
}

function listen(wait = RETRY_MS.first, isAgain = false) {
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws/news?language=${document.documentElement.lang}`);
  let next = Math.min(wait * 2, RETRY_MS.most);
  socket.addEventListener("open", () => {
    next = RETRY_MS.first;
    if (isAgain) {
      hear({ type: "missed" }); // nobody knows what was said meanwhile
    }
  });
  socket.addEventListener("message", (event) => hear(JSON.parse(event.data)));
  socket.addEventListener("close", () => {
    const again = () => {
      clearTimeout(timer);
      removeEventListener("online", again);
      listen(next, true);
    };
    const timer = setTimeout(again, wait);
    addEventListener("online", again);
  });
}

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && find("chat")) {
    import("./news.js").then((module) => module.look());
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
  const links = [...document.querySelectorAll("[data-listed] [data-conversation-item] a")];
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

function closeOnEscape(event) {
  const menu = event.target.closest("[data-menu], .who");
  if (event.key === "Escape" && menu?.open) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
}

addEventListener("keydown", keyed);
addEventListener("keydown", closeOnEscape);

// -------------------------------------------------------------------------- clicked

document.addEventListener("click", (event) => {
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);
  const wanted = event.target.closest("[data-share], [data-copies]");
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    menu.open = menu.contains(event.target); // a click beside it closes it
  }
  if (!wanted || !plain) {
    return;
  }
  event.preventDefault();
  if (wanted.matches("[data-share]")) {
    import("./sharing.js").then((module) => module.open(wanted));
  } else {
    import("./copying.js").then((module) => module.copy(wanted));
  }
});
document.addEventListener("submit", (event) => {
  if (event.target.matches("[data-rename]")) {
    event.preventDefault();
    import("./head.js").then((module) => module.rename(event.target));
  }
});
document.addEventListener("toggle", ({ target }) => target.open && find("rename", target)?.elements.title.select(), true);
// A conversation was begun here: what can be done with it comes from its own page.
document.addEventListener("adopted", () => import("./head.js").then((module) => module.renew()));

find("find")?.addEventListener("focusin", () => import("./searching.js"), { once: true });
if (find("bulk")) {
  import("./picking.js");
}
listen();
