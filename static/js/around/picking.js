// The page of all conversations: one box that ticks all.

const form = document.querySelector("[data-bulk]");
const all = form.querySelector("[data-all]");
const boxes = [...form.querySelectorAll("[name=id]")];

function count() {
  const ticked = boxes.filter((box) => box.checked).length;
  all.checked = ticked === boxes.length;
  all.indeterminate = ticked > 0 && ticked < boxes.length;
}

form.querySelector("[data-all-label]").hidden = false;
all.addEventListener("change", () => {
  for (const box of boxes) {
    box.checked = all.checked;
  }
});
form.addEventListener("change", count);
count();
