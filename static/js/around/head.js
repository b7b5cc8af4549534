// The head of the chat after its first message: sharing, downloads and the rest, as the
// server renders them.

export async function renew() {
  const answer = await fetch(location.pathname).catch(() => null);
  if (answer?.ok) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-head]");
    document.querySelector("[data-head]").replaceChildren(...fresh.childNodes);
  }
}
