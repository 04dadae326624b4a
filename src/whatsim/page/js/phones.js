// The list of phones at the left.

import { post } from "./api.js";
import { byId, h, openDialog, reconcile } from "./dom.js";
import { avatar, listTime, phoneNumber, plural, preview } from "./format.js";
import { changed, putPhone, select, state } from "./store.js";
import { showTab } from "./tabs.js";

const SEARCH_FROM = 8;

export function startPhones() {
  byId("add-phone").addEventListener("click", () => addPhone());
  byId("phone-search").addEventListener("input", () => changed("phones"));
  byId("phone-list").addEventListener("keydown", moveFocus);
}

export function drawPhones() {
  const query = byId("phone-search").value.trim().toLowerCase();
  const phones = [...state.phones.values()];
  byId("phone-count").textContent = phones.length ? String(phones.length) : "";
  byId("phone-search-box").hidden = phones.length < SEARCH_FROM;
  const digits = query.replace(/\D/g, "");
  const shown = phones.filter(
    (phone) => !query || phone.name.toLowerCase().includes(query) || (digits !== "" && phone.number.includes(digits)),
  );
  const items = shown.map((phone) => ({
    key: phone.number,
    sign: JSON.stringify([phone, phone.number === state.number]),
    render: () => row(phone),
  }));
  if (items.length === 0) {
    const text = phones.length ? "No phone fits this search." : "No phones yet. Add one: it gets a fictional number.";
    items.push({ key: "none", sign: text, render: () => h("li", { class: "empty" }, text) });
  }
  reconcile(byId("phone-list"), items);
}

function row(phone) {
  const connected = phone.devices.filter((device) => device.connected).length;
  const linked = phone.devices.length === 0
    ? "no linked devices"
    : `${plural(phone.devices.length, "linked device")}, ${connected} connected`;
  const face = avatar(phone.name, phone.number);
  if (!phone.online) face.classList.add("offline");
  if (phone.devices.length) face.append(h("span", { class: `linked-dot ${connected ? "on" : ""}` }));
  const last = phone.last_message;
  const about = last === null ? phoneNumber(phone.number) : preview(last);
  return h(
    "li",
    {},
    h(
      "button",
      {
        class: "row-button",
        type: "button",
        title: `${phoneNumber(phone.number)}: ${phone.online ? "" : "offline, "}${linked}`,
        "aria-current": phone.number === state.number ? "true" : null,
        onclick: () => {
          select(phone.number);
          showTab("phone");
        },
      },
      face,
      h(
        "span",
        { class: "row-main" },
        h(
          "span",
          { class: "row-line" },
          h("strong", {}, phone.name || phoneNumber(phone.number)),
          last === null ? null : h("time", { datetime: last.timestamp }, listTime(last.timestamp)),
        ),
        h(
          "span",
          { class: "row-line" },
          h("small", {}, phone.online ? about : `Offline · ${about}`),
          phone.unread ? h("span", { class: "unread", "aria-label": `${phone.unread} unread` }, String(phone.unread)) : null,
        ),
        h("span", { class: "visually-hidden" }, linked),
      ),
    ),
  );
}

function moveFocus(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  const buttons = [...byId("phone-list").querySelectorAll("button")];
  const next = buttons[buttons.indexOf(document.activeElement) + step];
  if (next === undefined) return;
  event.preventDefault();
  next.focus();
}

export function addPhone() {
  const name = h("input", { name: "name", maxlength: "64", placeholder: "Ana", autocomplete: "off" });
  const number = h("input", { name: "number", inputmode: "tel", placeholder: "A free fictional number", autocomplete: "off" });
  openDialog(
    "Add a phone",
    [
      h("label", { class: "field" }, h("span", {}, "Name"), name),
      h("label", { class: "field" }, h("span", {}, "Number (7 to 15 digits)"), number),
    ],
    "Add phone",
    async () => {
      const body = {};
      if (name.value.trim()) body.name = name.value.trim();
      if (number.value.trim()) body.number = digitsOf(number.value);
      const phone = await post("/phones", body);
      putPhone(phone);
      await select(phone.number);
      showTab("phone");
    },
  );
}

/** Accept a number as people write it: spaces, dashes, brackets and a plus sign are dropped. */
export function digitsOf(text) {
  const digits = text.replace(/[\s()+.-]/g, "");
  if (!/^\d{7,15}$/.test(digits)) throw new Error("A number has 7 to 15 digits, country code first.");
  return digits;
}
