// The chat API over fetch: start, follow and stop a turn, read its events.
// Knows server-sent events and no page.

const API = "/api/v1/chat";
// The server says something at least every 15 seconds; longer silence is a dead line.
const SILENCE_MS = 45_000;

/**
 * The server's refusal, or its silence; `message` is a sentence, empty when only the code
 * says what it is. `wait` are seconds to wait, if that helps.
 */
export class Refusal extends Error {
  constructor(message, { code, status = 0, wait = 0 }) {
    super(message);
    this.code = code;
    this.status = status;
    this.wait = wait;
  }

  /** Whether the same request may well succeed later. */
  get passes() {
    return ["unreachable", "turn_running"].includes(this.code) || this.status >= 500 || (this.status === 429 && this.wait > 0 && this.wait <= 60);
  }
}

function url(conversationId, action = "") {
  return `${API}/${encodeURIComponent(conversationId)}${action}`;
}

async function refusal(response) {
  const { status } = response;
  if (status === 401) {
    return new Refusal("", { code: "signed-out", status });
  }
  const body = await response.json().catch(() => ({}));
  const wait = Number(response.headers.get("Retry-After"));
  return new Refusal(body.detail ?? `${status} ${response.statusText}`, { code: body.code, status, wait });
}

async function request(address, options) {
  let response;
  try {
    response = await fetch(address, { redirect: "manual", ...options });
  } catch {
    throw new Refusal("", { code: "unreachable" });
  }
  if (response.type === "opaqueredirect") {
    throw new Refusal("", { code: "signed-out" }); // pages lead to the sign-in
  }
  if (!response.ok) {
    throw await refusal(response);
  }
  return response;
}

function write(method, address, token, body) {
  const headers = { "X-CSRFToken": token };
  if (body) {
    headers["Content-Type"] = "application/json";
  }
  return request(address, { method, headers, body: body && JSON.stringify(body) });
}

/** Starts a turn, once for each id of a message; the response's `parts` tell the rest. */
export function start(body, token) {
  return write("POST", `${API}?render=html`, token, body);
}

/** The running turn from its beginning, or null when nothing runs. */
export async function follow(conversationId) {
  const response = await request(`${url(conversationId, "/stream")}?render=html`);
  return response.status === 204 ? null : response;
}

/** Stops the running turn; what has been written is kept. */
export function stop(conversationId, token) {
  return write("POST", url(conversationId, "/stop"), token);
}

/** Shows the branch that goes on from this message. */
export function choose(conversationId, messageId, token) {
  return write("PATCH", url(conversationId), token, { active_leaf: messageId });
}

/** Removes a message with all below it. */
export function remove(conversationId, messageId, token) {
  return write("DELETE", url(conversationId, `/messages/${messageId}`), token);
}

/** The way to this message as a conversation of its own; its id. */
export async function fork(conversationId, messageId, token) {
  const response = await write("POST", url(conversationId, "/fork"), token, { message_id: messageId });
  return (await response.json()).id;
}

/** A piece of a page, as the server renders it. */
export async function fragment(address) {
  return (await request(address)).text();
}

/** The parts of a stream, parsed. Ends with the connection, whatever ended that. */
export async function* parts(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
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
      const events = (text + decoder.decode(value, { stream: true })).split("\n\n");
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
