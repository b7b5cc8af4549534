// The list of conversations on narrow screens, which opens by a link.

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
