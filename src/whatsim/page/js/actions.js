// What a person can do with a message, and send beside texts and pictures.

import { h, icon, openDialog } from "./dom.js";
import { digitsOf } from "./phones.js";

const EMOJIS = ["👍", "❤️", "😂", "😮", "🙏"];
/** Kinds with a text or caption that can be changed. */
const EDITABLE = new Set(["text", "image", "video", "document"]);

/** Return the row of actions under an opened message. */
export function actionsOf(message, send) {
  const id = message.message_id;
  const mine = message.direction === "out";
  const own = message.reactions[message.number];
  const button = (label, act, extra = {}) =>
    h("button", { class: "button small", type: "button", onclick: act, data: { focus: label }, ...extra }, label);
  return h(
    "div",
    { class: "message-actions", role: "group", "aria-label": "Actions" },
    EMOJIS.map((emoji) =>
      button(emoji, () => send("reaction", { message_id: id, emoji: own === emoji ? "" : emoji }), {
        "aria-label": own === emoji ? `Take ${emoji} back` : `React with ${emoji}`,
        "aria-pressed": String(own === emoji),
      }),
    ),
    mine && EDITABLE.has(message.type) ? button("Edit", () => edit(message, send)) : null,
    button(message.pinned ? "Unpin" : "Pin", () => send("pin", { message_id: id, seconds: message.pinned ? 0 : 604800 })),
    button("Forward here", () => send("forward", { message_id: id })),
    mine ? button("Delete", () => send("delete", { message_id: id })) : null,
  );
}

function edit(message, send) {
  const text = h("textarea", { rows: "3", maxlength: "65536", value: message.body });
  openDialog("Edit the message", [field("Text", text)], "Save", async () => {
    if (!text.value.trim()) throw new Error("A text has at least one character.");
    await send("edit", { message_id: message.message_id, body: text.value });
  });
}

/** Return the button of the composer that offers the other kinds. */
export function moreKinds(send) {
  const choose = () => {
    const kinds = [
      ["Location", () => location(send)],
      ["Contact card", () => card(send)],
      ["Poll", () => poll(send)],
      ["Disappearing messages", () => timer(send)],
    ];
    const buttons = kinds.map(([label, open]) => h("button", { class: "button", type: "button", onclick: open }, label));
    openDialog("Send", [h("div", { class: "kinds" }, buttons)], "Close", async () => {});
  };
  return h(
    "button",
    { class: "icon-button", type: "button", "aria-label": "Send something else", title: "Send something else", onclick: choose },
    icon("compose"),
  );
}

function location(send) {
  const latitude = number("latitude", "-6.17540");
  const longitude = number("longitude", "106.82720");
  const name = h("input", { name: "name", maxlength: "256", value: "Monas" });
  const fields = [field("Latitude", latitude), field("Longitude", longitude), field("Name", name)];
  openDialog("Send a location", fields, "Send", async () => {
    const point = { latitude: Number(latitude.value), longitude: Number(longitude.value) };
    if (!(Math.abs(point.latitude) <= 90 && Math.abs(point.longitude) <= 180)) throw new Error("There is no such place on earth.");
    await send("location", { ...point, name: name.value.trim() || null });
  });
}

function card(send) {
  const name = h("input", { name: "name", maxlength: "256" });
  const phone = h("input", { name: "number", inputmode: "tel" });
  openDialog("Send a contact card", [field("Name", name), field("Number (7 to 15 digits)", phone)], "Send", async () => {
    if (!name.value.trim()) throw new Error("A card has a name.");
    await send("contacts", { cards: [{ name: name.value.trim(), number: digitsOf(phone.value) }] });
  });
}

function poll(send) {
  const question = h("input", { name: "question", maxlength: "255" });
  const options = h("textarea", { name: "options", rows: "4", value: "Yes\nNo" });
  const multiple = h("input", { name: "multiple", type: "checkbox" });
  const several = h("label", { class: "check" }, multiple, " Several options may be picked");
  openDialog("Send a poll", [field("Question", question), field("Options, one a line", options), several], "Send", async () => {
    const names = options.value.split("\n").map((name) => name.trim()).filter(Boolean);
    if (!question.value.trim() || names.length < 2) throw new Error("A poll has a question and at least two options.");
    await send("poll", { question: question.value.trim(), options: names, multiple: multiple.checked });
  });
}

function timer(send) {
  const choices = [[0, "Off"], [86400, "A day"], [604800, "7 days"], [7776000, "90 days"]];
  const select = h("select", { name: "seconds" }, choices.map(([seconds, label]) => h("option", { value: String(seconds) }, label)));
  openDialog("Disappearing messages", [field("New messages disappear after", select)], "Set", async () => {
    await send("timer", { seconds: Number(select.value) });
  });
}

const field = (label, input) => h("label", { class: "field" }, h("span", {}, label), input);
const number = (name, value) => h("input", { name, inputmode: "decimal", value });
