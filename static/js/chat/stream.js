// The chat API over fetch: start, follow and stop a turn, read its events.
// Knows server-sent events and no page.

const API = "/api/v1/chat";
// The server says something at least every 15 seconds; longer silence is a dead line.
const SILENCE_MS = 45_000;

/** The server's refusal before a stream began; `message` is a sentence for the user. */
export class Refusal extends Error {}

function url(conversationId, action) {
  return `${API}/${encodeURIComponent(conversationId)}/${action}`;
}

async function refusal(response) {
  if (response.status === 401) {
    return new Refusal("You have been signed out. Sign in again in another tab, then send.");
  }
  const body = await response.json().catch(() => ({}));
  const wait = Number(response.headers.get("Retry-After"));
  const hint = wait > 0 ? ` Try again in ${wait} s.` : "";
  return new Refusal((body.detail ?? `The server answered ${response.status}.`) + hint);
}

async function request(address, options) {
  let response;
  try {
    response = await fetch(address, { redirect: "error", ...options });
  } catch {
    throw new Refusal("The server cannot be reached. Your text is kept; try again.");
  }
  if (!response.ok) {
    throw await refusal(response);
  }
  return response;
}

function post(address, token, body, extra = {}) {
  const headers = { "X-CSRFToken": token, ...extra };
  if (body) {
    headers["Content-Type"] = "application/json";
  }
  return request(address, { method: "POST", headers, body: body && JSON.stringify(body) });
}

/** Starts a turn, once for each `key`; the response's `parts` tell what becomes of it. */
export function start(body, token, key) {
  return post(`${API}?render=html`, token, body, key && { "Idempotency-Key": key });
}

/** The running turn from its beginning, or null when nothing runs. */
export async function follow(conversationId) {
  const response = await request(`${url(conversationId, "stream")}?render=html`);
  return response.status === 204 ? null : response;
}

/** Stops the running turn; what has been written is kept. */
export function stop(conversationId, token) {
  return post(url(conversationId, "stop"), token);
}

/** The parts of a stream, parsed. Ends with the connection, whatever ended that. */
export async function* parts(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let timer;
  let text = "";
  try {
    for (;;) {
      timer = setTimeout(() => reader.cancel(), SILENCE_MS);
      const { value, done } = await reader.read();
      clearTimeout(timer);
      if (done) {
        return;
      }
      const events = (text + value).split("\n\n");
      text = events.pop();
      for (const event of events.filter((lines) => lines.startsWith("data: "))) {
        const data = event.slice("data: ".length);
        if (data === "[DONE]") {
          return;
        }
        yield JSON.parse(data);
      }
    }
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(() => {});
  }
}
