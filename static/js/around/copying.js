// Buttons that copy the text of another element, which they name by its id.

const SAID_MS = 2_000;

export async function copy(button) {
  const source = document.getElementById(button.dataset.copies);
  const said = button.textContent;
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
  } catch {
    // Not allowed, or no TLS: marked, so that the keyboard can.
    source.select?.();
    getSelection().selectAllChildren(source);
    return;
  }
  button.textContent = button.dataset.copied;
  setTimeout(() => (button.textContent = said), SAID_MS);
}
