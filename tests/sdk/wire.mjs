// The line from a client to the server under test: a relay of bytes that can be cut.
// Used by client.mjs.

import dns from "node:dns";
import net from "node:net";

// Browsers take names below localhost for this machine; Node asks the system, which
// may not know them.
const lookup = dns.lookup;
dns.lookup = (name, ...rest) =>
  lookup(name.endsWith(".localhost") ? "127.0.0.1" : name, ...rest);

/** A port of its own that leads to `target`; `cut()` resets whatever is connected. */
export async function openWire(target) {
  const open = new Set();

  function relay(from, to) {
    open.add(from);
    from.on("error", () => {}); // a cut is one; "close" follows
    from.on("close", () => {
      open.delete(from);
      to.destroy();
    });
    from.pipe(to);
  }

  const server = net.createServer((near) => {
    const far = net.connect(target, "127.0.0.1");
    relay(near, far);
    relay(far, near);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: server.address().port,
    cut: () => open.forEach((socket) => socket.resetAndDestroy()),
  };
}
