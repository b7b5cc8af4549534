// React components that use the AI SDK's `useChat`, led by tests/sdk/react.py.
//
// Reads commands from standard input and prints what happens, both as lines of JSON:
//   {n, chat, do: "mount", host, port, options, headers, body, strict}
//       a component, named `chat`, that talks to a tenant's host at the server's port
//   {n, chat, do: <a function of useChat's>, with: [its arguments]}
//   {n, chat, do: "unmount"}
//   {n, do: "cut"}      reset every connection
// Each render says {chat, state, settled}; `settled` lists the commands that are over.

import { createInterface } from "node:readline";
import { createElement, StrictMode, useEffect } from "react";
import { create } from "react-test-renderer";
import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";
import { openWire } from "./wire.mjs";

const wires = new Map();
const mounted = new Map();

function say(event) {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

/** One person's chat; a new `settled` renders it again. */
function Screen({ name, options, settled }) {
  const chat = useChat(options);
  useEffect(() => {
    mounted.get(name).chat = chat;
    const { id, status, messages, error } = chat;
    say({ chat: name, state: { id, status, messages, error: error?.message }, settled });
  });
  return null;
}

async function mount({ n, chat: name, host, port, options, headers, body, strict }) {
  if (!wires.has(port)) {
    wires.set(port, await openWire(port));
  }
  const transport = new DefaultChatTransport({
    api: `http://${host}:${wires.get(port).port}/api/v1/chat`,
    headers,
    body,
    fetch: async (url, init) => {
      const asked = `${init.method} ${new URL(url).pathname}`;
      say({ chat: name, asked });
      const answer = await fetch(url, init);
      say({ chat: name, answered: [asked, answer.status] });
      return answer;
    },
  });
  const all = {
    ...options,
    transport,
    onData: (data) => say({ chat: name, data }),
    onFinish: ({ isAbort, isDisconnect, isError, finishReason }) =>
      say({ chat: name, finish: { isAbort, isDisconnect, isError, finishReason } }),
  };
  const settled = [n];
  const element = () => {
    const screen = createElement(Screen, { name, options: all, settled: [...settled] });
    return strict ? createElement(StrictMode, null, screen) : screen;
  };
  const screen = { settled, element };
  mounted.set(name, screen);
  screen.root = create(element());
}

/** React renders in order: what the command has changed is in this render or before. */
function settle({ n, chat: name }) {
  const screen = mounted.get(name);
  screen.settled.push(n);
  screen.root.update(screen.element());
}

async function obey(command) {
  const { do: action, chat } = command;
  if (action === "mount") {
    await mount(command);
  } else if (action === "unmount") {
    mounted.get(chat).root.unmount();
  } else if (action === "cut") {
    wires.forEach((wire) => wire.cut());
  } else {
    await mounted.get(chat).chat[action](...command.with);
    settle(command);
  }
}

const commands = createInterface({ input: process.stdin });
commands.on("line", (line) => obey(JSON.parse(line)));
commands.on("close", () => process.exit());
