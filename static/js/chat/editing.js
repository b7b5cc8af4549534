// A question edited in place; the old version stays as a branch.

import { blank, room } from "./page.js";
import { ask } from "./turns.js";

/** What was typed here and not sent is there again after a reload. */
const draftOf = (id) => `draft:${room.composer.person}:${id}`;

export function edit(article) {
  const [bubble, acts] = [article.querySelector("[data-text]"), article.querySelector(".acts")];
  const { message: id } = article.dataset;
  const editor = blank("editor");
  const field = editor.querySelector("textarea");
  field.value = sessionStorage.getItem(draftOf(id)) ?? bubble.textContent;
  const close = () => {
    sessionStorage.removeItem(draftOf(id));
    editor.remove();
    bubble.hidden = acts.hidden = false;
    acts.querySelector("[data-edit]").focus();
  };
  const send = async () => {
    if (!field.value.trim()) {
      return;
    }
    const parts = [{ type: "text", text: field.value }];
    const body = { trigger: "submit-message", messageId: id, messages: [{ id, role: "user", parts }] };
    const sent = ask(body, article, field.value, () => sessionStorage.removeItem(draftOf(id)));
    room.composer.focus();
    await sent.catch((error) => room.composer.tell(error.message));
  };
  field.addEventListener("input", () => sessionStorage.setItem(draftOf(id), field.value));
  editor.querySelector("[data-cancel]").addEventListener("click", close);
  editor.querySelector("[data-save]").addEventListener("click", send);
  editor.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      close();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      send();
    }
  });
  bubble.hidden = acts.hidden = true;
  acts.before(editor);
  field.focus();
}
