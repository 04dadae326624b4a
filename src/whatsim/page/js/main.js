// Starts the page: first state, event stream, and drawing whenever something changed.

import { announce, attempt, byId } from "./dom.js";
import { drawFaults, startFaults } from "./faults.js";
import { preview, phoneNumber } from "./format.js";
import { linkFromAddress } from "./link.js";
import { drawPhones, startPhones } from "./phones.js";
import { drawScreen } from "./screen.js";
import { startStats } from "./stats.js";
import { apply, changed, nameOf, onChange, refresh, select, state } from "./store.js";
import { startTabs } from "./tabs.js";
import { startTheme } from "./theme.js";
import { drawTools } from "./tools.js";

const LOST_AFTER_MS = 1500;

function draw(topics) {
  drawPhones();
  drawTools();
  drawScreen(topics);
  if (topics.has("faults")) drawFaults();
}

function listen() {
  const banner = byId("connection");
  let lost = null;
  const source = new EventSource("/events");
  source.addEventListener("ready", async () => {
    clearTimeout(lost);
    lost = null;
    banner.hidden = true;
    state.live = true;
    await attempt(refresh);
    linkFromAddress();
  });
  source.addEventListener("change", (event) => {
    const message = apply(JSON.parse(event.data));
    // The first phone is the one that is looked at, also when it came after the page.
    if (state.number === null && state.phones.size > 0) attempt(() => select([...state.phones.keys()][0]));
    if (message?.number === state.number && message.direction === "in") {
      announce(`${nameOf(message.chat) || phoneNumber(message.chat)}: ${preview(message)}`);
    }
  });
  source.addEventListener("error", () => {
    state.live = false;
    lost ??= setTimeout(() => {
      banner.textContent = "The simulated network does not answer. What you see may be old; trying again…";
      banner.hidden = false;
    }, LOST_AFTER_MS);
    // A refused stream is not tried again by the browser itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, LOST_AFTER_MS);
  });
}

startTheme();
startTabs();
startPhones();
startFaults();
startStats();
onChange(draw);
document.addEventListener("visibilitychange", () => changed("messages"));
window.addEventListener("hashchange", linkFromAddress);
changed("view");
listen();
