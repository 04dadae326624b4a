// What the page knows: phones, the messages of those that were looked at, typing. Kept up to date by the event stream.

import { get } from "./api.js";

// Ids rise over the whole network, so a stretch of ids bounds what one look at a long history fetches.
const STRETCH = 3000;
const TYPING_MS = 12000;

export const state = {
  phones: new Map(),
  groups: new Map(),
  threads: new Map(),
  typing: new Map(),
  number: null,
  chat: null,
  live: false,
};

export const settings = {
  get autoRead() { return localStorage.getItem("autoRead") !== "off"; },
  set autoRead(on) { localStorage.setItem("autoRead", on ? "on" : "off"); },
  get details() { return localStorage.getItem("details") === "on"; },
  set details(on) { localStorage.setItem("details", on ? "on" : "off"); },
};

const listeners = new Set();
const pending = new Set();
const pushedPhones = new Map();
let timer = null;

/** Call `listener(topics)` soon after something changed; topics are "phones", "messages", "typing", "view", "faults". Returns what ends it. */
export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function changed(topic) {
  pending.add(topic);
  timer ??= setTimeout(() => {
    const topics = new Set(pending);
    pending.clear();
    timer = null;
    for (const listener of listeners) listener(topics);
  }, 16);
}

export const current = () => state.phones.get(state.number) ?? null;
export const nameOf = (chat) => state.phones.get(chat)?.name ?? state.groups.get(chat) ?? "";
export const isGroup = (chat) => chat?.endsWith("@g.us") ?? false;

/** Take in a phone's new state, from an answer or from the stream. */
export function putPhone(phone) {
  state.phones.set(phone.number, phone);
  pushedPhones.set(phone.number, phone);
  changed("phones");
}

/** Read what the groups are called; they are few, and change rarely. */
async function refreshGroups() {
  const { data } = await get("/groups");
  state.groups = new Map(data.map((group) => [group.jid, group.subject]));
  changed("phones");
}

async function refreshPhones() {
  pushedPhones.clear();
  const { data } = await get("/phones");
  // What came in while the answer was on its way is newer than the answer.
  state.phones = new Map([...data.map((phone) => [phone.number, phone]), ...pushedPhones]);
  if (!state.phones.has(state.number)) state.number = data[0]?.number ?? null;
  changed("phones");
}

/** Read everything again: after the page opened, and after every reconnect of the stream. */
export async function refresh() {
  await Promise.all([refreshPhones(), refreshGroups()]);
  for (const number of state.threads.keys()) if (number !== state.number) state.threads.delete(number);
  const thread = state.threads.get(state.number);
  // Messages never vanish: what is on the screen stays there while it is brought up to date.
  if (thread === undefined) await loadThread(state.number);
  else await fetchStretch(state.number, thread, thread.from, Infinity);
  changed("faults");
}

export async function select(number, chat = null) {
  state.number = number;
  state.chat = chat;
  changed("view");
  await loadThread(number);
}

export function openChat(chat) {
  state.chat = chat;
  changed("view");
}

export async function loadThread(number) {
  if (number === null || state.threads.has(number)) return;
  const last = state.phones.get(number)?.last_message?.id ?? 0;
  const thread = { messages: new Map(), pushed: new Set(), from: Math.max(0, last - STRETCH) };
  state.threads.set(number, thread);
  try {
    await fetchStretch(number, thread, thread.from, Infinity);
  } catch (error) {
    state.threads.delete(number);
    throw error;
  }
}

export async function loadOlder(number) {
  const thread = state.threads.get(number);
  if (thread === undefined || thread.from === 0) return;
  const from = Math.max(0, thread.from - STRETCH);
  await fetchStretch(number, thread, from, thread.from);
  thread.from = from;
  changed("messages");
}

async function fetchStretch(number, thread, after, upTo) {
  for (;;) {
    thread.pushed.clear();
    const page = await get(`/phones/${number}/messages?after=${after}&limit=500`);
    for (const message of page.data) {
      // What the stream pushed while the answer was on its way is newer than the answer.
      if (message.id <= upTo && !thread.pushed.has(message.id)) thread.messages.set(message.id, message);
    }
    changed("messages");
    after = page.next_after;
    if (!page.more || after >= upTo) return;
  }
}

export function put(message) {
  const thread = state.threads.get(message.number);
  thread?.messages.set(message.id, message);
  thread?.pushed.add(message.id);
  changed("messages");
}

/** The chats of a phone, newest first: {chat, last, unread}. */
export function chatsOf(number) {
  const chats = new Map();
  for (const message of state.threads.get(number)?.messages.values() ?? []) {
    if (message.target_id !== null) continue; // a change of another message
    const entry = chats.get(message.chat) ?? { chat: message.chat, last: message, unread: 0 };
    if (message.id > entry.last.id) entry.last = message;
    if (message.direction === "in" && !message.read) entry.unread += 1;
    chats.set(message.chat, entry);
  }
  return [...chats.values()].sort((a, b) => b.last.id - a.last.id);
}

export function messagesOf(number, chat) {
  const all = [...(state.threads.get(number)?.messages.values() ?? [])];
  return all.filter((message) => message.chat === chat).sort((a, b) => a.id - b.id);
}

export const isTyping = (number, chat) => state.typing.has(`${number} ${chat}`);

function setTyping(number, chat, composing) {
  const key = `${number} ${chat}`;
  clearTimeout(state.typing.get(key));
  state.typing.delete(key);
  if (composing) state.typing.set(key, setTimeout(() => setTyping(number, chat, false), TYPING_MS));
  changed("typing");
}

/** Take in one change of the event stream; returns the message when one is new. */
export function apply(change) {
  if (change.phone !== null) putPhone(change.phone);
  if (change.message !== null) {
    put(change.message);
    noteMessage(change.message, change.unread);
    if (isGroup(change.message.chat) && !state.groups.has(change.message.chat)) refreshGroups().catch(() => {});
    if (change.kind === "message_added") {
      setTyping(change.message.number, change.message.chat, false);
    }
  }
  if (change.kind === "typing") setTyping(change.number, change.chat, change.composing);
  if (change.kind === "faults_changed") changed("faults");
  return change.kind === "message_added" ? change.message : null;
}

function noteMessage(message, unread) {
  const phone = state.phones.get(message.number);
  if (phone === undefined) return;
  if ((phone.last_message?.id ?? 0) <= message.id) phone.last_message = message;
  phone.unread = unread;
  putPhone(phone);
}
