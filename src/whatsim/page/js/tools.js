// The panels about the chosen phone: who it is, linked devices, how it answers by itself.

import { post } from "./api.js";
import { attempt, byId, copy, h, icon, reconcile } from "./dom.js";
import { avatar, exactTime, listTime, phoneNumber, plural } from "./format.js";
import { openLink } from "./link.js";
import { rules } from "./rules.js";
import { changed, current, putPhone, settings, state } from "./store.js";

export function drawTools() {
  const phone = current();
  const items = phone === null ? [] : [
    { key: "who", sign: JSON.stringify([phone.number, phone.name, phone.online]), render: () => who(phone) },
    { key: "devices", sign: JSON.stringify([phone.number, phone.devices]), render: () => devices(phone) },
    { key: "behaviour", sign: JSON.stringify([phone.number, phone.behaviour]), render: () => behaviour(phone) },
    { key: "rules", sign: JSON.stringify([phone.number, state.phones.size]), render: () => rules(phone) },
  ];
  reconcile(byId("phone-tools"), items);
}

function toggle(label, on, change, mark) {
  const input = h("input", { type: "checkbox", role: "switch", checked: on, data: { focus: mark } });
  input.addEventListener("change", () => change(input.checked, input));
  return h("label", { class: "switch" }, h("span", {}, label), input, h("i"));
}

function who(phone) {
  return h(
    "section",
    { class: "panel", "aria-label": "This phone" },
    h(
      "div",
      { class: "who" },
      avatar(phone.name, phone.number),
      h(
        "div",
        {},
        h("strong", {}, phone.name || "Unnamed"),
        h(
          "button",
          { class: "copyable", type: "button", title: "Copy the number", onclick: () => copy(phone.number) },
          phoneNumber(phone.number),
          icon("copy"),
        ),
      ),
    ),
    h(
      "div",
      {},
      toggle("Online", phone.online, async (online, input) => {
        const done = await attempt(async () => putPhone(await post(`/phones/${phone.number}/online`, { online })));
        if (!done) input.checked = !online;
      }, "online"),
      toggle("Mark as read while a chat is open", settings.autoRead, (on) => {
        settings.autoRead = on;
        changed("messages");
      }, "read"),
      toggle("Delivery details on every message", settings.details, (on) => {
        settings.details = on;
        changed("messages");
      }, "details"),
    ),
  );
}

function devices(phone) {
  const list = phone.devices.map((device) => {
    const unlink = h("button", { class: "button ghost small danger", type: "button", data: { focus: `unlink ${device.id}` } }, "Unlink");
    unlink.addEventListener("click", async () => {
      unlink.disabled = true;
      await attempt(() => post(`/phones/${phone.number}/unlink`, { device: device.id }));
      unlink.disabled = false;
    });
    const status = device.connected
      ? h("span", { class: "badge good" }, "connected")
      : h("span", { class: "badge" }, "not connected");
    return h(
      "li",
      { class: "card" },
      h("div", { class: "between" }, h("strong", {}, device.platform || "Device"), status),
      h(
        "div",
        { class: "between" },
        h(
          "span",
          { class: "quiet", title: exactTime(device.linked_at) },
          `Device ${device.id}, linked ${listTime(device.linked_at)}`,
          device.queued ? `, ${plural(device.queued, "stanza")} waiting` : "",
        ),
        unlink,
      ),
    );
  });
  return h(
    "section",
    { class: "panel", "aria-label": "Linked devices" },
    h(
      "div",
      { class: "panel-head" },
      h("h2", {}, "Linked devices"),
      h("button", { class: "button small", type: "button", onclick: () => openLink(), data: { focus: "link" } }, icon("link"), "Link a device"),
    ),
    list.length ? h("ul", { class: "rows" }, list) : h("p", { class: "quiet" }, "None. Scan the QR code that Blazz shows for a new number."),
  );
}

function behaviour(phone) {
  const now = phone.behaviour;
  const choice = h(
    "select",
    { "aria-label": "How this phone answers", data: { focus: "choice" } },
    h("option", { value: "silent" }, "Answers only when you type"),
    h("option", { value: "echo" }, "Repeats every text"),
    h("option", { value: "script" }, "Answers by rules"),
  );
  choice.value = now.kind;
  const body = h("div", { class: "stack" });
  const save = (wanted) => attempt(async () => putPhone(await post(`/phones/${phone.number}/behaviour`, wanted)));
  const draw = () => {
    if (choice.value === "echo") body.replaceChildren(...echoFields(now, save));
    else if (choice.value === "script") body.replaceChildren(...scriptFields(now, save));
    else body.replaceChildren();
  };
  choice.addEventListener("change", () => {
    draw();
    if (choice.value === "silent") save({ kind: "silent" });
    if (choice.value === "echo") save({ kind: "echo", prefix: now.prefix ?? "" });
  });
  draw();
  return h("section", { class: "panel", "aria-label": "Behaviour" }, h("h2", {}, "Behaviour"), choice, body);
}

function echoFields(now, save) {
  const prefix = h("input", { value: now.prefix ?? "", maxlength: "256", placeholder: "You said: ", data: { focus: "prefix" } });
  prefix.addEventListener("change", () => save({ kind: "echo", prefix: prefix.value }));
  return [h("label", { class: "field" }, h("span", {}, "Written before it"), prefix)];
}

function scriptFields(now, save) {
  const rows = h("div", { class: "stack" });
  const add = (rule = { match: "", reply: "", delay_s: 0 }) => {
    const drop = h("button", { class: "icon-button", type: "button", "aria-label": "Remove the rule" }, icon("close"));
    const row = h(
      "div",
      { class: "rule" },
      h("input", { value: rule.match, placeholder: "If it contains", "aria-label": "If a text contains", maxlength: "1024" }),
      h("input", { value: rule.reply, placeholder: "Answer", "aria-label": "Answer", maxlength: "4096" }),
      h("input", { type: "number", min: "0", max: "3600", step: "0.5", value: String(rule.delay_s), "aria-label": "Seconds to wait", title: "Seconds to wait" }),
      drop,
    );
    drop.addEventListener("click", () => row.remove());
    rows.append(row);
  };
  for (const rule of now.rules?.length ? now.rules : [undefined]) add(rule);
  const apply = () => {
    const rules = [...rows.children]
      .map((row) => [...row.querySelectorAll("input")].map((input) => input.value))
      .filter(([, reply]) => reply.trim())
      .map(([match, reply, delay]) => ({ match, reply, delay_s: Number(delay) || 0 }));
    return save({ kind: "script", rules });
  };
  return [
    h("p", { class: "quiet" }, "The first rule that fits answers. Nothing in the first field fits every text; the third is the wait in seconds."),
    rows,
    h(
      "div",
      { class: "inline" },
      h("button", { class: "button small", type: "button", onclick: () => add() }, "Add rule"),
      h("button", { class: "button small primary", type: "button", onclick: apply }, "Save rules"),
    ),
  ];
}
