// What opens beside the text: the list of conversations on narrow screens, by a link; a
// place in the conversation, by keys; quoting, by a selection.

/** Opening and closing leave no trace in the history; Escape closes. */
export function openDrawers() {
  for (const link of document.querySelectorAll("[data-drawer]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      location.replace(link.hash); // as without scripts, but sparing the history
    });
  }
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && location.hash === "#conversations") {
      location.replace("#closed");
    }
  });
}

/** `tell(error)` says what went wrong. */
export function openFromKeys(room, tell) {
  document.addEventListener("selectionchange", () => {
    if (!getSelection().isCollapsed && room.list.contains(getSelection().anchorNode)) {
      import("./quoting.js").then((module) => module.offer(), () => {});
    } else {
      document.querySelector("[data-quote]")?.setAttribute("hidden", "");
    }
  });
  addEventListener("keydown", (event) => {
    const by = { PageUp: -1, PageDown: 1 }[event.key];
    const isFind = (event.ctrlKey || event.metaKey) && event.shiftKey && event.key.toLowerCase() === "f";
    if (room.id && (isFind || (by && event.altKey)) && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      import("./finding.js").then((module) => (by ? module.step(by) : module.openFinder())).catch(tell);
    }
  });
}
