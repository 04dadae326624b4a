// The panel of what WhatsApp may do to a number: stop new chats, ban, demand the passkey; and calls from this phone.

import { get, post } from "./api.js";
import { attempt, copy, h, icon, toast } from "./dom.js";
import { nameOf, state } from "./store.js";
import { phoneNumber } from "./format.js";

const MINUTE = 60;
const ringing = new Map();

export function rules(phone) {
  const to = `/phones/${phone.number}`;
  const act = (label, said, path, body, danger = false) => {
    const button = h("button", { class: `button small${danger ? " danger" : ""}`, type: "button", data: { focus: label } }, label);
    button.addEventListener("click", () => attempt(async () => {
      await post(path, body);
      toast(said);
    }));
    return button;
  };
  return h(
    "section",
    { class: "panel", "aria-label": "What WhatsApp may do" },
    h("h2", {}, "What WhatsApp may do"),
    h("p", { class: "quiet" }, "Refusals that a number may meet. They concern the linked devices of this phone."),
    h(
      "div",
      { class: "inline" },
      act("Stop new chats, 2 minutes", "New chats are stopped", `${to}/timelock`, { seconds: 2 * MINUTE }),
      act("Allow new chats", "New chats are allowed", `${to}/timelock`, { seconds: 0 }),
    ),
    h(
      "div",
      { class: "inline" },
      act("New chats used up", "The cap was told", `${to}/new-chat-cap`, { status: "CAPPED", used: 25, total: 25, seconds: 2 * MINUTE }),
      act("New chats again", "The cap was lifted", `${to}/new-chat-cap`, { status: "NONE" }),
    ),
    h(
      "div",
      { class: "inline" },
      act("Ban for a minute", "Banned for a minute", `${to}/ban`, { seconds: MINUTE, code: 104 }, true),
      act("Ban for good", "Banned for good", `${to}/ban`, { seconds: null }, true),
      act("End the ban", "No ban any more", `${to}/ban`, { seconds: 0 }),
    ),
    passkey(to),
    calls(phone, to),
  );
}

function passkey(to) {
  const box = h("input", { type: "checkbox", role: "switch", data: { focus: "passkey" } });
  const note = h("p", { class: "quiet", role: "status" });
  const show = async () => {
    const now = await get(`${to}/passkey`);
    box.checked = now.required;
    const code = now.code ? ` The phone shows ${now.code}.` : "";
    const refused = now.refused ? ` Not accepted: ${now.refused}.` : "";
    note.textContent = now.step === "none" ? "" : `Linking: ${now.step}.${code}${refused}`;
  };
  box.addEventListener("change", () => attempt(async () => {
    await post(`${to}/passkey`, { required: box.checked });
    await show();
  }));
  const sign = h("button", { class: "button small", type: "button", data: { focus: "sign" } }, icon("copy"), "Sign and copy the answer");
  sign.addEventListener("click", () => attempt(async () => {
    await copy(JSON.stringify(await post(`${to}/passkey/assertion`)));
    await show();
  }));
  show().catch(() => {});
  return h(
    "div",
    { class: "stack" },
    h("label", { class: "switch" }, h("span", {}, "Demand the passkey of new devices"), box, h("i")),
    h("div", { class: "inline" }, sign),
    note,
  );
}

function calls(phone, to) {
  const others = [...state.phones.values()].filter((other) => other.number !== phone.number);
  // A linked number first: that is what somebody who tries this wants to call.
  others.sort((a, b) => b.devices.length - a.devices.length);
  const options = others.map((other) => h("option", { value: other.number }, nameOf(other.number) || phoneNumber(other.number)));
  const whom = h("select", { "aria-label": "Whom to call", data: { focus: "whom" } }, options);
  const call = (video) => attempt(async () => {
    const made = await post(`${to}/calls`, { to: whom.value, video });
    ringing.set(phone.number, made.id);
    toast("It rings");
  });
  const end = () => attempt(async () => {
    const id = ringing.get(phone.number);
    if (id === undefined) throw new Error("This phone calls nobody.");
    ringing.delete(phone.number);
    await post(`/calls/${id}/end`, { reason: "timeout" });
    toast("The call has ended");
  });
  return h(
    "div",
    { class: "stack" },
    h("label", { class: "field" }, h("span", {}, "Call"), whom),
    h(
      "div",
      { class: "inline" },
      h("button", { class: "button small", type: "button", disabled: others.length === 0, onclick: () => call(false) }, "Voice call"),
      h("button", { class: "button small", type: "button", disabled: others.length === 0, onclick: () => call(true) }, "Video call"),
      h("button", { class: "button ghost small", type: "button", onclick: end }, "Hang up"),
    ),
  );
}
