// Pieces of pages in the background, which nobody misses where the line is dead.

/** What the server renders there; empty where it does not, or the line broke. */
export async function textOf(address, options = {}) {
  try {
    const answer = await fetch(address, options);
    return answer.ok && !answer.redirected ? await answer.text() : "";
  } catch {
    return "";
  }
}
