// Sharing without leaving the conversation: the section of its own page, in a dialog. The
// forms in it are sent in the background, and the section comes back as it is then.

const dialog = document.querySelector("[data-share-dialog]");

async function show(address, options) {
  const answer = await fetch(address, options);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const section = page.querySelector("[data-sharing]");
  if (!section) {
    throw new Error(`no section at ${answer.url}`);
  }
  dialog.replaceChildren(section);
  const link = document.querySelector("[data-share]");
  link.textContent = section.querySelector("[data-shares]") ? link.dataset.on : link.dataset.off;
}

/** Opens it over the chat; where that fails, `link` leads to the page. */
export async function open(link) {
  try {
    await show(link.href);
  } catch {
    location.assign(link.href);
    return;
  }
  dialog.showModal();
  dialog.querySelector("[data-share-form] input:checked").focus();
}

dialog.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post") {
    return; // it closes the dialog
  }
  event.preventDefault();
  form.querySelector("[type=submit]").disabled = true;
  try {
    await show(form.action, { method: "POST", body: new FormData(form) });
  } catch {
    form.submit(); // the page says what was wrong
    return;
  }
  const next = dialog.querySelector("[id=share-url], .errorlist ~ input, [aria-invalid]");
  (next ?? dialog.querySelector("h1")).focus();
  next?.select?.();
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) {
    dialog.close(); // beside it
  }
});
