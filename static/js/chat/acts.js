// What can be done with a message: copy, edit, another try, go on, branches, delete, fork.

import { blank, room } from "./page.js";
import * as stream from "./stream.js";
import * as transcript from "./transcript.js";
import { approve, ask, join } from "./turns.js";

const articleOf = (id) => document.getElementById(`message-${id}`);

const ACTS = {
  regenerate: (id) => regenerate(id, {}),
  continue: (id) => ask({ trigger: "continue-message", messageId: id }, articleOf(id)),
  branch: choose,
  delete: remove,
  more: showMore,
  async fork(id) {
    location.assign(`/c/${await stream.fork(room.id, id, room.token)}`);
  },
};

/** The buttons that send their form without scripts. */
export async function act(button) {
  for (const menu of document.querySelectorAll(":popover-open")) {
    menu.hidePopover();
  }
  room.composer.tell("");
  await ACTS[button.name](button.value, button);
}

/** The buttons that need scripts. */
export async function clicked(button) {
  if (button.matches("[data-approve]")) {
    const { decide } = await import("./approval.js");
    const approvals = decide(button);
    if (approvals) {
      await approve(approvals, button.closest("[data-message]"));
    }
  } else if (button.matches("[data-edit]")) {
    edit(button.closest("[data-message]"));
  } else if (button.matches("[data-another]")) {
    button.closest("[popover]").hidePopover();
    const { chooseModel } = await import("./picker.js");
    const model = await chooseModel();
    if (model) {
      await regenerate(button.dataset.another, model);
    }
  } else if (button.matches("[data-copy]")) {
    await copy(button);
  } else {
    await transcript.showEarlier(button);
  }
}

/** Fetches the menu of a message; from then on the browser opens and closes it. */
async function showMore(id, button) {
  button.type = "button";
  try {
    const text = await stream.fragment(`${room.path}/messages/${id}`);
    const menu = new DOMParser().parseFromString(text, "text/html").querySelector("[data-more]");
    menu.popover = "auto";
    button.after(menu);
    button.removeAttribute("aria-expanded"); // it says so itself
    button.popoverTargetElement = menu;
    menu.showPopover({ source: button });
  } catch (error) {
    button.type = "submit";
    throw error;
  }
}

function regenerate(id, choice) {
  return ask({ trigger: "regenerate-message", messageId: id, ...choice }, articleOf(id));
}

async function copy(button) {
  const code = button.closest(".code")?.querySelector("code");
  const text = button.closest("[data-message]").querySelector("[data-reply], [data-text]");
  await navigator.clipboard.writeText(code ? code.textContent : written(text));
  button.dataset.done = "";
  room.say(room.words.copied, true);
  setTimeout(() => delete button.dataset.done, 1500);
}

/** What can be read there, with formulas as TeX. */
function written(root) {
  const formulas = [...root.querySelectorAll("math")].map((math) => {
    const mark = math.getAttribute("display") === "block" ? "$$" : "$";
    return [math, new Text(mark + math.getAttribute("alttext") + mark)];
  });
  formulas.forEach(([math, tex]) => math.replaceWith(tex));
  const text = root.innerText;
  formulas.forEach(([math, tex]) => tex.replaceWith(math));
  return text;
}

/** In place; the old version stays as a branch. */
function edit(article) {
  const [bubble, acts] = [article.querySelector("[data-text]"), article.querySelector(".acts")];
  const editor = blank("editor");
  const field = editor.querySelector("textarea");
  field.value = bubble.textContent;
  const close = () => {
    editor.remove();
    bubble.hidden = acts.hidden = false;
    acts.querySelector("[data-edit]").focus();
  };
  editor.querySelector("[data-cancel]").addEventListener("click", close);
  editor.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      close();
    }
  });
  editor.querySelector("[data-save]").addEventListener("click", async () => {
    if (!field.value.trim()) {
      return;
    }
    const { message: id } = article.dataset;
    const parts = [{ type: "text", text: field.value }];
    const body = { trigger: "submit-message", messageId: id, messages: [{ id, role: "user", parts }] };
    const sent = ask(body, article, field.value);
    room.composer.focus();
    await sent.catch((error) => room.composer.tell(error.message));
  });
  bubble.hidden = acts.hidden = true;
  acts.before(editor);
  field.focus();
}

async function choose(id) {
  const pressed = document.activeElement;
  const [article, label] = [pressed.closest("[data-message]"), pressed.getAttribute("aria-label")];
  await stream.choose(room.id, id, room.token);
  room.follower.hold();
  await transcript.replaceFrom(article, id);
  const arrows = [...articleOf(id).querySelectorAll(".branches button:not([disabled])")];
  (arrows.find((arrow) => arrow.getAttribute("aria-label") === label) ?? arrows[0])?.focus();
  join();
}

async function remove(id) {
  await stream.remove(room.id, id, room.token);
  const above = articleOf(id).previousElementSibling?.closest("[data-message]");
  await transcript.replaceFrom(above ?? null, above?.dataset.message);
  if (!room.list.childElementCount) {
    location.reload();
  }
  room.composer.focus();
  join();
}
