// unfold's admin for who has no mouse or does not see: what opens by a click alone
// becomes a button, Escape closes what is open, icons are not read aloud.

const words = document.querySelector("#page")?.dataset ?? {};
const CLICKED = "[x-on\\:click]:not(a[href], button, input, #changelist-filter-close)";
const ICON = ".material-symbols-outlined";
const DELETES = `label:has(> .hidden input.delete) > ${ICON}, .delete-template > ${ICON}`;

/** What opens and closes: its button, what it shows, and the state Alpine keeps of it. */
const MENUS = [
  { button: "[x-on\\:click^='openUserLinks']", shows: "nav[x-show='openUserLinks']" },
  { button: "[x-on\\:click^='sidebarMobileOpen'].block\\!", shows: "#nav-sidebar" },
  { button: "a[x-on\\:click='filterOpen = true']", shows: "#changelist-filter" },
  { button: "a[x-on\\:click^='showActions']", shows: "[x-data*='showActions'] > ul" },
];

const isSeen = (one) => Boolean(one) && one.checkVisibility({ visibilityProperty: true });

/** Of what shows no more than a picture; nothing where it has words or a title. */
function nameOf(one) {
  if (one.matches("#searchbar-submit, #command-submit")) return words.search;
  if (one.matches("#nav-sidebar a:has(> .md-18):not(:has(> span + span))")) return words.start;
  if (one.matches("[x-on\\:click^='sidebar']")) return words.sidebar;
  if (one.matches("[x-on\\:click^='openUserLinks']")) return words.account;
  if (one.matches("[x-on\\:click^='showActions']")) return words.more;
  return one.title;
}

function makeButton(one) {
  // What only holds others to be clicked on needs no stop of its own.
  if (one.querySelector("a[href], button, input, select, textarea")) return;
  one.setAttribute("role", "button");
  one.tabIndex = 0;
}

/** Deleting a row of an inline is a hidden checkbox behind a picture in its label. */
function makeDeletable(picture) {
  picture.setAttribute("role", "button");
  picture.setAttribute("aria-label", words.delete);
  picture.tabIndex = 0;
}

function nameScroller(one) {
  const scrolls = one.scrollHeight > one.clientHeight || one.scrollWidth > one.clientWidth;
  one.setAttribute("role", "group");
  one.setAttribute("aria-label", words.scrolls);
  one.tabIndex = scrolls ? 0 : -1;
}

function nameSearch(field) {
  const select = field.closest(".select2")?.previousElementSibling;
  const label = select?.id && document.querySelector(`label[for="${select.id}"]`);
  if (label) field.setAttribute("aria-label", label.textContent.trim());
}

function improve() {
  document.querySelectorAll(CLICKED).forEach(makeButton);
  document.querySelectorAll(DELETES).forEach(makeDeletable);
  document.querySelectorAll(".simplebar-content-wrapper").forEach(nameScroller);
  document.querySelectorAll(".select2-search__field").forEach(nameSearch);
  document.querySelector("#nav-sidebar-inner")?.setAttribute("aria-label", words.pages);
  for (const icon of document.querySelectorAll(ICON)) {
    if (icon.role !== "button") icon.setAttribute("aria-hidden", "true");
  }
  for (const one of document.querySelectorAll("[x-on\\:click], a, button")) {
    const name = nameOf(one);
    if (name) one.setAttribute("aria-label", name);
  }
  MENUS.forEach(tellState);
}

function tellState({ button, shows }) {
  const opens = isOpen({ shows });
  for (const one of document.querySelectorAll(button)) {
    one.setAttribute("aria-expanded", String(opens));
  }
}

/** Alpine shows and hides a moment later, some of it with a transition; `was` is how it
 * stood before. */
function whenShown(menu, was, focus, tries = 20) {
  const shown = document.querySelector(menu.shows);
  if (shown && isSeen(shown) === was && tries) {
    setTimeout(() => whenShown(menu, was, focus, tries - 1), 100);
    return;
  }
  tellState(menu);
  if (focus && isSeen(shown)) shown.querySelector("a, button, [tabindex='0']")?.focus();
}

const isOpen = (menu) => isSeen(document.querySelector(menu.shows));

function onKey(event) {
  const on = event.target;
  if ((event.key === "Enter" || event.key === " ") && on.matches?.("[role=button][tabindex]")) {
    event.preventDefault();
    const menu = MENUS.find(({ button }) => on.matches(button));
    const was = Boolean(menu) && isOpen(menu);
    on.click();
    if (menu) whenShown(menu, was, true);
  }
  if (event.key === "Escape") MENUS.forEach((menu) => close(menu));
}

function close(menu) {
  const button = [...document.querySelectorAll(menu.button)].find(isSeen);
  if (button?.getAttribute("aria-expanded") !== "true" || !isOpen(menu)) return;
  if (menu.shows !== "#changelist-filter") button.click(); // unfold closes that itself
  button.focus();
  whenShown(menu, true, false);
}

document.addEventListener("keydown", onKey);
// Before anybody else hears of the click.
document.addEventListener("click", () => MENUS.forEach((menu) => whenShown(menu, isOpen(menu), false)), true);
document.addEventListener("formset:added", improve);
document.addEventListener("htmx:afterSettle", improve);
window.addEventListener("load", () => setTimeout(improve));
improve();
