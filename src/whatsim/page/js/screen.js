// The drawn phone's screen: its list of chats, or the open conversation.

import { byId, h, icon, openDialog, reconcile } from "./dom.js";
import { avatar, listTime, phoneNumber, preview, time } from "./format.js";
import { conversation, offlineNote } from "./conversation.js";
import { addPhone, digitsOf } from "./phones.js";
import { chatsOf, current, isTyping, nameOf, openChat, state } from "./store.js";

let shown = null;

/** Draw the screen; it is built anew only when another phone or chat is chosen. */
export function drawScreen(topics) {
  const key = `${state.number} ${state.chat}`;
  const screen = byId("screen");
  if (shown?.key !== key) {
    const view = state.number === null ? welcome() : state.chat === null ? chatList() : conversation();
    const hadFocus = screen.contains(document.activeElement);
    screen.replaceChildren(statusBar(), ...view.nodes);
    shown = { key, update: view.update };
    view.update(new Set(["view"]));
    if (hadFocus || topics.has("view")) view.focus?.();
    return;
  }
  shown.update(topics);
}

function statusBar() {
  const clock = h("span", {}, time(new Date().toISOString()));
  const timer = setInterval(() => {
    if (!clock.isConnected) clearInterval(timer);
    clock.textContent = time(new Date().toISOString());
  }, 15000);
  return h("div", { class: "status-bar" }, clock, h("span", { class: "carrier" }, "Simulated"));
}

function welcome() {
  const node = h(
    "div",
    { class: "empty" },
    h("strong", {}, "No phone yet"),
    h("p", {}, "A simulated phone writes and answers like a customer's, or links Blazz like your own."),
    h("button", { class: "button primary", type: "button", onclick: () => addPhone() }, "Add a phone"),
  );
  return { nodes: [node], update: () => {} };
}

function chatList() {
  const title = h("strong", {});
  const subtitle = h("small", {});
  const list = h("ul", { class: "chat-list", "aria-label": "Chats" });
  const start = h(
    "button",
    { class: "icon-button", type: "button", "aria-label": "Start a chat", title: "Start a chat", onclick: startChat },
    icon("compose"),
  );
  const head = h("div", { class: "screen-head" }, h("div", { class: "screen-title" }, title, subtitle), start);
  const offline = offlineNote();
  const update = () => {
    const phone = current();
    if (phone === null) return;
    title.textContent = phone.name || phoneNumber(phone.number);
    subtitle.textContent = phoneNumber(phone.number);
    offline.hidden = phone.online;
    const items = chatsOf(phone.number).map((entry) => {
      const typing = isTyping(phone.number, entry.chat);
      return {
        key: entry.chat,
        sign: JSON.stringify([entry, typing, nameOf(entry.chat)]),
        render: () => chatRow(entry, typing),
      };
    });
    if (items.length === 0) items.push({ key: "none", sign: "", render: noChats });
    reconcile(list, items);
  };
  return { nodes: [head, offline, list], update, focus: () => (list.querySelector("button") ?? start).focus() };
}

function noChats() {
  return h(
    "li",
    { class: "empty" },
    h("strong", {}, "No chats yet"),
    h("p", {}, "Write to a number, for instance to one that is linked with Blazz."),
    h("button", { class: "button", type: "button", onclick: startChat }, "Start a chat"),
  );
}

function chatRow(entry, typing) {
  const name = nameOf(entry.chat) || phoneNumber(entry.chat);
  const mine = entry.last.direction === "out" ? "You: " : "";
  return h(
    "li",
    {},
    h(
      "button",
      { class: "row-button", type: "button", onclick: () => openChat(entry.chat) },
      avatar(nameOf(entry.chat), entry.chat),
      h(
        "span",
        { class: "row-main" },
        h(
          "span",
          { class: "row-line" },
          h("strong", {}, name),
          h("time", { datetime: entry.last.timestamp }, listTime(entry.last.timestamp)),
        ),
        h(
          "span",
          { class: "row-line" },
          h("small", {}, typing ? "typing…" : mine + preview(entry.last)),
          entry.unread ? h("span", { class: "unread", "aria-label": `${entry.unread} unread` }, String(entry.unread)) : null,
        ),
      ),
    ),
  );
}

function startChat() {
  const others = [...state.phones.values()].filter((phone) => phone.number !== state.number);
  const linkedFirst = others.sort((a, b) => b.devices.length - a.devices.length);
  const options = linkedFirst.map((phone) =>
    h("option", { value: phone.number }, `${phone.name}${phone.devices.length ? " (linked)" : ""}`),
  );
  const number = h("input", { list: "known-numbers", inputmode: "tel", autocomplete: "off", placeholder: "628110000001" });
  openDialog(
    "Start a chat",
    [
      h("label", { class: "field" }, h("span", {}, "Number"), number),
      h("datalist", { id: "known-numbers" }, options),
      h("p", { class: "quiet" }, "Only simulated phones can be reached: this network is not connected to WhatsApp."),
    ],
    "Open chat",
    async () => {
      const digits = digitsOf(number.value);
      if (digits === state.number) throw new Error("This is the phone's own number.");
      if (!state.phones.has(digits)) throw new Error("No simulated phone has this number. Add one first.");
      openChat(digits);
    },
  );
}
