// What a message holds, by its kind, and what others have made of it: reactions, votes, marks.

import { post } from "./api.js";
import { attempt, h } from "./dom.js";
import { phoneNumber, preview } from "./format.js";
import { nameOf, put } from "./store.js";

/** Return what stands in a message's bubble. `send(type, content)` answers in its chat. */
export function contentOf(message, send) {
  if (message.deleted) return h("p", { class: "odd" }, "This message was deleted.");
  if (message.undecryptable) return h("p", { class: "odd" }, "Waiting for this message. It could not be decrypted yet.");
  return [marks(message), (KINDS[message.type] ?? other)(message, send)].flat();
}

const KINDS = {
  text: (message) => h("p", {}, message.body),
  image: (message) => (message.media === null ? other(message) : [picture(message), message.body ? h("p", {}, message.body) : null]),
  location: place,
  contacts: ({ details }) => (details.cards ?? []).map((card) => h("p", {}, "👤 ", h("b", {}, card.name), ` ${card.numbers.join(", ")}`)),
  poll,
  interactive: question,
  timer: ({ details }) => h("p", { class: "odd" }, details.seconds ? `New messages disappear after ${duration(details.seconds)}.` : "New messages stay."),
};

function other(message) {
  const file = message.media === null ? null : h("a", { href: message.media.url, download: message.media.filename ?? "" }, "Download");
  return [h("p", { class: "odd" }, preview(message)), file];
}

function marks(message) {
  const { details } = message;
  const told = [];
  if (message.pinned) told.push("Pinned");
  if (details.forwarded) told.push("Forwarded");
  if (details.view_once) told.push("To be seen once");
  if (details.expires_s) told.push(`Disappears after ${duration(details.expires_s)}`);
  return told.length ? h("p", { class: "odd marks" }, told.join(" · ")) : null;
}

function picture(message) {
  const { url, width, height } = message.media;
  const image = h("img", { src: url, alt: message.body || "Picture", width, height, loading: "lazy" });
  image.addEventListener("error", () => image.replaceWith(h("p", { class: "odd" }, "This picture cannot be shown.")));
  return image;
}

function place({ body, details }) {
  const point = `${details.latitude?.toFixed(5)}, ${details.longitude?.toFixed(5)}`;
  const name = details.name || body;
  return [h("p", {}, `📍 ${details.live ? "Live location" : "Location"}`), name ? h("p", {}, name) : null, h("p", {}, h("code", {}, point))];
}

function poll(message, send) {
  const { details } = message;
  const mine = message.votes[message.number] ?? [];
  const choose = (option) => {
    if (!details.multiple) return mine.includes(option) ? [] : [option];
    return mine.includes(option) ? mine.filter((name) => name !== option) : [...mine, option];
  };
  const options = (details.options ?? []).map((option) => {
    const count = Object.values(message.votes).filter((picked) => picked.includes(option)).length;
    return h(
      "button",
      {
        class: "button small choice",
        type: "button",
        "aria-pressed": String(mine.includes(option)),
        data: { focus: `option ${option}` },
        onclick: () => send("poll_vote", { message_id: message.message_id, options: choose(option) }),
      },
      option,
      h("b", {}, ` ${count}`),
    );
  });
  return [h("p", {}, h("b", {}, message.body)), h("div", { class: "choices", role: "group", "aria-label": "Options" }, options)];
}

function question(message, send) {
  const { details } = message;
  if (details.picked !== undefined) return h("p", {}, message.body);
  const answer = (kind) => ({ id, title }) =>
    h(
      "button",
      {
        class: "button small choice",
        type: "button",
        onclick: () => send("answer", { message_id: message.message_id, id, title, kind }),
      },
      title,
    );
  const choices = [...(details.buttons ?? []).map(answer("button")), ...(details.rows ?? []).map(answer("list"))];
  return [h("p", {}, message.body), h("div", { class: "choices", role: "group", "aria-label": "Answers" }, choices)];
}

/** Return the reactions under a bubble, or null. */
export function reactionsOf(message) {
  const all = Object.entries(message.reactions);
  if (all.length === 0) return null;
  const who = all.map(([number, emoji]) => `${emoji} ${nameOf(number) || phoneNumber(number)}`).join(", ");
  return h("div", { class: "reactions", role: "img", "aria-label": `Reactions: ${who}`, title: who }, all.map(([, emoji]) => emoji).join(""));
}

/** Return how a phone sends a kind of message in a chat; what fails is told. */
export function sender(number, chat) {
  return (type, content) => attempt(async () => put(await post(`/phones/${number}/messages`, { to: chat, type, [type]: content })));
}

export function duration(seconds) {
  const days = Math.round(seconds / 86400);
  if (days >= 1) return days === 1 ? "a day" : `${days} days`;
  return seconds >= 3600 ? `${Math.round(seconds / 3600)} h` : `${Math.max(1, Math.round(seconds / 60))} min`;
}
