// Counters of the whole network, and the switch for the program under trial.

import { get, post } from "./api.js";
import { attempt, byId, h, icon } from "./dom.js";
import { state } from "./store.js";

const STATS_EVERY_MS = 2000;
const UNTIL_LIVE_MS = 200;

// [field, words, whether anything but 0 deserves a look]
const ROWS = [
  ["open_connections", "Open connections"],
  ["online", "Devices online"],
  ["logins", "Logins"],
  ["login_refusals", "Logins refused"],
  ["registrations", "Devices linked"],
  ["replaced", "Replaced"],
  ["messages", "Messages"],
  ["receipts", "Receipts"],
  ["queued", "Waiting"],
  ["acks_lost", "Acks lost"],
  ["duplicates", "Sent twice"],
  ["retry_requests", "Retries"],
  ["decrypt_failures", "Not decrypted", true],
  ["stanzas_from_older_connection", "From old login", true],
];

export function startStats() {
  let switchable = true;
  const tick = async () => {
    if (document.visibilityState === "visible" && state.live) {
      await drawStats().catch(() => {});
      if (switchable) switchable = await drawProduct().catch(() => true);
    }
    setTimeout(tick, state.live ? STATS_EVERY_MS : UNTIL_LIVE_MS);
  };
  tick();
}

async function drawStats() {
  const stats = await get("/stats");
  const shown = byId("network-id").textContent;
  // Another network answers on this address now: nothing that the page knows is true of it.
  if (shown && shown !== stats.network_id) return location.reload();
  byId("network-id").textContent = stats.network_id;
  const rows = ROWS.map(([name, label, alarming]) =>
    h("div", { class: alarming && stats[name] ? "alarm" : "" }, h("dt", {}, label), h("dd", {}, stats[name].toLocaleString())),
  );
  const unknown = Object.entries(stats.unknown);
  if (unknown.length) {
    const sum = unknown.reduce((total, [, times]) => total + times, 0);
    const title = unknown.map(([name, times]) => `${name}: ${times}`).join("\n");
    rows.push(h("div", { class: "alarm", title }, h("dt", {}, "Not understood"), h("dd", {}, sum.toLocaleString())));
  }
  byId("stats").replaceChildren(...rows);
}

const WORDS = { running: ["good", "Blazz is running"], stopped: ["bad", "Blazz is stopped"], starting: ["warn", "Blazz is starting"] };
let drawn = null;

/** Draw the switch; returns whether this server has one. */
async function drawProduct() {
  const product = await get("/product");
  if (!product.available) return false;
  if (product.state !== drawn) showProduct(product.state);
  return true;
}

function showProduct(now) {
  drawn = now;
  const [kind, words] = WORDS[now];
  const stop = now !== "stopped";
  const label = now === "starting" ? "Starting…" : stop ? "Stop Blazz" : "Start Blazz";
  const button = h("button", { class: "button small", type: "button" }, icon(stop ? "stop" : "play"), label);
  button.disabled = now === "starting";
  button.addEventListener("click", async () => {
    button.disabled = true;
    const done = await attempt(async () => showProduct((await post("/product", { action: stop ? "stop" : "start" })).state));
    if (!done) button.disabled = false;
  });
  byId("product").className = "inline";
  byId("product").replaceChildren(h("span", { class: `badge product-state ${kind}`, role: "status" }, words), button);
}
