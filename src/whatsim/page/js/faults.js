// The faults panel: make the network misbehave, in plain words.

import { get, post, remove } from "./api.js";
import { attempt, byId, h, icon, reconcile, toast } from "./dom.js";
import { nameOf, state } from "./store.js";
import { phoneNumber, plural } from "./format.js";

const seconds = (required, usual) => ({ name: "seconds", label: required ? "Seconds" : "Seconds (may be empty)", type: "number", required, usual });
const count = (usual) => ({ name: "count", label: usual ? "How many" : "How often (empty: until cleared)", type: "number", usual, required: Boolean(usual) });
const code = (options) => ({ name: "code", label: "With the answer", options });

const KINDS = {
  drop_connection: { label: "Cut connections", fields: [], say: () => "Connections cut" },
  silence: { label: "Keep connections open but silent", fields: [seconds(false)], say: () => "Connections are silent" },
  delay: { label: "Delay what the network sends", fields: [seconds(true, "2")], say: (f) => `Delayed by ${f.seconds} s` },
  refuse_login: {
    label: "Refuse logins",
    fields: [code([["401", "401, logged out"], ["403", "403, forbidden"], ["405", "405, client too old"], ["503", "503, unavailable"]]), count()],
    say: (f) => `Logins are refused with ${f.code}`,
  },
  stream_error: {
    label: "End connections with an error",
    fields: [code([["503", "503, unavailable"], ["515", "515, restart"], ["replaced", "replaced by another login"], ["device_removed", "device removed"]])],
    say: (f) => `Connections ended with ${f.code}`,
  },
  lose_acks: { label: "Lose acknowledgements", fields: [count("3")], say: (f) => `The next ${plural(f.count, "acknowledgement")} get lost` },
  duplicate: { label: "Deliver messages twice", fields: [count("3")], say: (f) => `The next ${plural(f.count, "message")} arrive twice` },
  lose_messages: { label: "Lose messages to a device", fields: [count("1")], say: (f) => `The next ${plural(f.count, "message")} to a device get lost` },
  lose_sent: { label: "Lose messages of a device", fields: [count("1")], say: (f) => `The next ${plural(f.count, "message")} of a device get lost` },
  reorder: { label: "Deliver in another order", fields: [count("3"), seconds(false)], say: (f) => `The next ${plural(f.count, "message")} change places` },
  corrupt: { label: "Break messages", fields: [count("1")], say: (f) => `The next ${plural(f.count, "message")} cannot be read` },
  forget_prekeys: { label: "Forget one-time keys", fields: [], say: () => "One-time keys forgotten" },
  lose_pair_success: { label: "Cut off a client that is accepted", fields: [count("1")], say: (f) => `The next ${plural(f.count, "linking")} are cut off` },
  lose_pair_confirmation: { label: "Lose a client's confirmation", fields: [count("1")], say: (f) => `The next ${plural(f.count, "confirmation")} get lost` },
  expire_media: { label: "Expire all media", fields: [], everywhere: true, say: () => "Media expired" },
  refuse_messages: {
    label: "Refuse messages",
    fields: [code([["463", "463, contact not reachable now"], ["429", "429, too many"], ["479", "479, not accepted"]]), count()],
    say: (f) => `Messages are refused with ${f.code}`,
  },
};

const AT_ONCE = new Set(["drop_connection", "stream_error", "forget_prekeys", "expire_media"]);

export function startFaults() {
  drawForm();
  byId("clear-faults").addEventListener("click", async () => {
    await attempt(() => remove("/faults"));
    drawFaults();
  });
}

export async function drawFaults() {
  let faults;
  try {
    faults = (await get("/faults")).data;
  } catch {
    return;
  }
  byId("clear-faults").hidden = faults.length === 0;
  reconcile(byId("fault-list"), faults.map((fault) => ({ key: fault.id, sign: JSON.stringify(fault), render: () => row(fault) })));
}

function where(fault) {
  if (fault.number === null) return "all phones";
  return nameOf(fault.number) || phoneNumber(fault.number);
}

function row(fault) {
  const left = fault.remaining === null ? "until cleared" : `${fault.remaining} left`;
  const length = fault.seconds !== null && fault.kind === "silence" ? `for ${fault.seconds} s` : left;
  const end = h("button", { class: "icon-button", type: "button", "aria-label": "End this fault", data: { focus: "end" } }, icon("close"));
  end.addEventListener("click", async () => {
    await attempt(() => remove(`/faults/${encodeURIComponent(fault.id)}`));
    drawFaults();
  });
  return h(
    "li",
    { class: "card" },
    h(
      "div",
      { class: "between" },
      h(
        "div",
        {},
        h("strong", {}, KINDS[fault.kind]?.say(fault) ?? fault.kind),
        h("p", { class: "quiet" }, `${where(fault)}, ${length}, ${plural(fault.hits, "hit")}`),
      ),
      end,
    ),
  );
}

function drawForm() {
  const form = byId("fault-form");
  const kind = h("select", { "aria-label": "Fault" }, Object.entries(KINDS).map(([value, entry]) => h("option", { value }, entry.label)));
  const phone = h("select", { "aria-label": "Of which phone" });
  const fields = h("div", { class: "stack" });
  const offer = () => {
    const before = phone.value;
    const linked = [...state.phones.values()].filter((candidate) => candidate.devices.length);
    phone.replaceChildren(
      h("option", { value: "" }, "All phones' linked devices"),
      ...linked.map((candidate) => h("option", { value: candidate.number }, `Devices of ${candidate.name || phoneNumber(candidate.number)}`)),
    );
    phone.value = linked.some((candidate) => candidate.number === before) ? before : "";
  };
  const draw = () => fields.replaceChildren(...KINDS[kind.value].fields.map(field));
  kind.addEventListener("change", draw);
  phone.addEventListener("focus", offer);
  phone.addEventListener("pointerdown", offer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = { kind: kind.value };
    if (phone.value && !KINDS[kind.value].everywhere) body.number = phone.value;
    for (const input of fields.querySelectorAll("input, select")) {
      if (input.value !== "") body[input.name] = input.type === "number" ? Number(input.value) : input.value;
    }
    await attempt(async () => {
      const fault = await post("/faults", body);
      // What happens at once leaves nothing in the list to be seen.
      if (AT_ONCE.has(fault.kind)) toast(`${KINDS[fault.kind].say(fault)}: ${where(fault)}.`);
    });
    drawFaults();
  });
  form.replaceChildren(kind, phone, fields, h("button", { class: "button", type: "submit" }, "Add fault"));
  offer();
  draw();
}

function field(spec) {
  const attributes = { name: spec.name, required: spec.required };
  const input = spec.options
    ? h("select", attributes, spec.options.map(([value, label]) => h("option", { value }, label)))
    : h("input", { ...attributes, type: "number", min: spec.name === "count" ? "1" : "0.1", step: spec.name === "count" ? "1" : "any", value: spec.usual ?? "" });
  return h("label", { class: "field" }, h("span", {}, spec.label), input);
}
