// The page of all conversations: one box that ticks all, how many are ticked, and nothing
// to press while none is.

const form = document.querySelector("[data-bulk]");
const all = form.querySelector("[data-all]");
const boxes = [...form.querySelectorAll("[name=id]")];
const chosen = form.querySelector("[data-chosen]");

function count() {
  const ticked = boxes.filter((box) => box.checked).length;
  all.checked = ticked === boxes.length;
  all.indeterminate = ticked > 0 && ticked < boxes.length;
  chosen.textContent = ticked ? chosen.dataset.words.replace("{}", ticked.toLocaleString(document.documentElement.lang)) : "";
  for (const button of form.querySelectorAll("[name=action]")) {
    button.disabled = ticked === 0;
  }
}

form.querySelector("[data-all-label]").hidden = false;
all.addEventListener("change", () => {
  for (const box of boxes) {
    box.checked = all.checked;
  }
});
form.addEventListener("change", count);
addEventListener("pageshow", count); // going back brings the ticks back
count();
