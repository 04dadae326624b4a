// One open conversation: its messages with ticks and counters, typing, reading, and the composer beneath.

import { post } from "./api.js";
import { attempt, byId, drawing, h, icon, reconcile } from "./dom.js";
import { actionsOf } from "./actions.js";
import { composer } from "./composer.js";
import { contentOf, reactionsOf, sender } from "./contents.js";
import { avatar, dayName, dayOf, exactTime, furthest, phoneNumber, plural, preview, time } from "./format.js";
import { changed, current, isGroup, isTyping, loadOlder, messagesOf, nameOf, openChat, settings, state } from "./store.js";

const TICK = "M2 6.5l3 3 6-7";
const TICKS = "M1 6.5l3 3 6-7M7.5 8.5l1 1 6-7";
const NEAR_END_PX = 80;

const expanded = new Set();
let reading = false;

export function offlineNote() {
  return h("p", { class: "off-note", hidden: true }, "This phone is offline: it receives nothing until it is back.");
}

/** Return the conversation that is chosen in the store: {nodes, update(topics), focus()}. */
export function conversation() {
  const { number, chat } = state;
  const name = nameOf(chat) || phoneNumber(chat);
  const subtitle = h("small", {});
  const back = h(
    "button",
    { class: "icon-button", type: "button", "aria-label": "Back to the chats", onclick: () => openChat(null) },
    icon("back"),
  );
  const head = h(
    "div",
    { class: "screen-head chat" },
    back,
    avatar(nameOf(chat), chat),
    h("div", { class: "screen-title" }, h("strong", {}, name), subtitle),
  );
  const offline = offlineNote();
  const thread = h("div", { class: "thread", role: "log", "aria-label": `Conversation with ${name}`, tabindex: "0" });
  const input = composer(number, chat);
  let first = true;

  const update = (topics) => {
    const phone = current();
    if (phone === null) return;
    const typing = isTyping(number, chat);
    subtitle.textContent = typing ? "typing…" : phoneNumber(chat);
    subtitle.classList.toggle("typing", typing);
    offline.hidden = phone.online;
    const atEnd = first || thread.scrollHeight - thread.scrollTop - thread.clientHeight < NEAR_END_PX;
    if (first || topics.has("messages") || topics.has("typing") || topics.has("view")) {
      drawThread(thread, number, chat, typing);
    }
    if (atEnd) thread.scrollTop = thread.scrollHeight;
    first = first && thread.childElementCount === 0;
    markRead(phone, chat);
  };
  // A picture that arrives after its bubble must not push the newest message out of sight.
  thread.addEventListener("load", () => {
    if (thread.scrollHeight - thread.scrollTop - thread.clientHeight < NEAR_END_PX + 280) thread.scrollTop = thread.scrollHeight;
  }, true);
  const escape = (event) => {
    if (event.key === "Escape") openChat(null);
  };
  thread.addEventListener("keydown", escape);
  input.node.addEventListener("keydown", escape);
  return { nodes: [head, offline, thread, input.node], update, focus: () => input.focus() };
}

function drawThread(thread, number, chat, typing) {
  const items = [];
  if ((state.threads.get(number)?.from ?? 0) > 0) items.push({ key: "older", sign: "", render: () => olderButton(number) });
  let day = null;
  let side = null;
  // A change of another message is shown in that one.
  const messages = messagesOf(number, chat).filter((message) => message.target_id === null);
  for (const message of messages) {
    const itsDay = dayOf(message.timestamp);
    if (itsDay !== day) {
      day = itsDay;
      side = null;
      items.push({ key: `day ${day} ${message.id}`, sign: dayName(message.timestamp), render: () => daySeparator(message) });
    }
    const turn = side !== message.direction;
    side = message.direction;
    const open = expanded.has(message.id) || settings.details || isOdd(message);
    items.push({
      key: message.id,
      sign: JSON.stringify([message, open, turn]),
      render: () => bubble(message, open, turn, messages),
    });
  }
  if (messages.length === 0) items.push({ key: "none", sign: "", render: () => h("div", { class: "empty" }, "Say hello.") });
  if (typing) items.push({ key: "typing", sign: "", render: typingDots });
  reconcile(thread, items);
}

function olderButton(number) {
  const button = h("button", { class: "button small jump", type: "button" }, "Load older messages");
  button.addEventListener("click", async () => {
    button.disabled = true;
    await attempt(() => loadOlder(number));
    button.disabled = false;
  });
  return button;
}

const daySeparator = (message) => h("div", { class: "day" }, dayName(message.timestamp));

function typingDots() {
  const dots = h("div", { class: "bubble typing-dots" }, h("i"), h("i"), h("i"));
  return h("div", { class: "message turn" }, dots, h("span", { class: "visually-hidden" }, "is typing"));
}

const isOdd = (message) => message.deliveries > 1 || message.decrypt_failures > 0 || message.retry_requests > 0;

/** In a group: who wrote it. */
function author(message, mine) {
  return isGroup(message.chat) && !mine ? h("strong", { class: "author" }, nameOf(message.from) || phoneNumber(message.from)) : null;
}

function bubble(message, open, turn, messages) {
  const mine = message.direction === "out";
  const send = sender(message.number, message.chat);
  return h(
    "div",
    { class: `message ${mine ? "mine" : ""} ${turn ? "turn" : ""}`, data: { messageId: message.message_id } },
    h("div", { class: "bubble" }, author(message, mine), quoted(message, messages), contentOf(message, send), meta(message, mine, open)),
    reactionsOf(message),
    open && !message.deleted ? actionsOf(message, send) : null,
    open ? counters(message, mine) : null,
  );
}

function quoted(message, messages) {
  if (message.reply_to === null) return null;
  const original = messages.find((other) => other.message_id === message.reply_to);
  return h("p", { class: "odd" }, `↩ ${original === undefined ? "an earlier message" : preview(original)}`);
}

function meta(message, mine, open) {
  const reached = furthest(message);
  const label = mine ? `${time(message.timestamp)}, ${reached}` : time(message.timestamp);
  const toggle = h(
    "button",
    {
      type: "button",
      title: exactTime(message.timestamp),
      "aria-label": `${label}. Delivery details and actions`,
      "aria-expanded": String(open),
      data: { focus: "details" },
    },
    message.edited ? "edited " : null,
    time(message.timestamp),
    mine ? tick(reached) : null,
  );
  toggle.addEventListener("click", () => {
    if (expanded.has(message.id)) expanded.delete(message.id);
    else expanded.add(message.id);
    changed("messages");
  });
  return h("div", { class: "meta" }, toggle);
}

function tick(reached) {
  if (reached === "pending") return drawing("0 0 16 12", "M8 1.5a4.5 4.5 0 100 9 4.5 4.5 0 000-9zM8 3.5V6l1.7 1", "icon tick");
  const seen = reached === "read" || reached === "played";
  return drawing("0 0 16 12", reached === "sent" ? TICK : TICKS, `icon tick ${seen ? "read" : ""}`);
}

function counters(message, mine) {
  const count = (value, one, many, alarm) =>
    h("span", { class: alarm ? "alarm" : "" }, h("b", {}, String(value)), ` ${value === 1 ? one : many}`);
  const parts = [
    count(message.deliveries, mine ? "stanza" : "delivery", mine ? "stanzas" : "deliveries", false),
    count(message.decrypt_failures, "decrypt failure", "decrypt failures", message.decrypt_failures > 0),
    count(message.retry_requests, "retry", "retries", message.retry_requests > 0),
  ];
  for (const receipt of message.receipts) {
    parts.push(h("span", { title: exactTime(receipt.at) }, `${receipt.state} ${time(receipt.at)}`));
  }
  if (message.by_device > 0) parts.push(h("span", {}, `by device ${message.by_device}`));
  parts.push(h("code", { title: "WhatsApp id of the message" }, message.message_id));
  return h("div", { class: "counters", "aria-label": plural(parts.length, "detail") }, parts);
}

/** An open, visible conversation is read: the senders learn of it, unless the person switched that off. */
async function markRead(phone, chat) {
  if (reading || !settings.autoRead || !phone.online || document.visibilityState !== "visible") return;
  if (byId("screen").offsetParent === null) return;
  const unread = messagesOf(phone.number, chat).filter((message) => message.direction === "in" && !message.read);
  if (unread.length === 0) return;
  reading = true;
  try {
    await post(`/phones/${phone.number}/read`, { chat, up_to: unread[unread.length - 1].id });
    for (const message of unread) message.read = true;
    changed("messages");
  } catch {
    // Tried again with the next change; the unread count keeps telling the truth meanwhile.
  } finally {
    reading = false;
  }
}
