// How things are written: numbers, names, times, previews.

import { h } from "./dom.js";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const longDay = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

const dayKey = (date) => `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`;

export const time = (iso) => clock.format(new Date(iso));
export const exactTime = (iso) => exact.format(new Date(iso));
export const dayOf = (iso) => dayKey(new Date(iso));

export function dayName(iso) {
  const date = new Date(iso);
  const today = new Date();
  if (dayKey(date) === dayKey(today)) return "Today";
  today.setDate(today.getDate() - 1);
  return dayKey(date) === dayKey(today) ? "Yesterday" : longDay.format(date);
}

export function listTime(iso) {
  const date = new Date(iso);
  return dayKey(date) === dayKey(new Date()) ? clock.format(date) : shortDay.format(date);
}

/** "628110000001" becomes "+62 811 000 0001": the country code, then groups that can be compared at a glance. */
export function phoneNumber(digits) {
  const code = /^[17]/.test(digits) ? 1 : 2;
  const rest = digits.slice(code);
  return `+${digits.slice(0, code)} ${rest.slice(0, 3)} ${rest.slice(3, -4)} ${rest.slice(-4)}`.replace(/ +/g, " ");
}

function initials(name) {
  const words = name.replace(/^\+/, "").trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0].slice(0, 2)];
  return letters.map((word) => (words.length > 1 ? [...word][0] : word)).join("").toUpperCase();
}

export function avatar(name, number, ...children) {
  const hue = [...number].reduce((sum, digit) => sum * 3 + Number(digit), 7) % 6;
  const text = name ? initials(name) : number.slice(-2);
  return h("span", { class: `avatar hue${hue}`, "aria-hidden": "true" }, text, ...children);
}

const KINDS = {
  image: "Picture",
  video: "Video",
  audio: "Voice message",
  document: "Document",
  sticker: "Sticker",
  location: "Location",
  contacts: "Contact",
  poll: "Poll",
  timer: "Disappearing messages",
  reaction: "Reaction",
  poll_vote: "Vote",
  edit: "Edit",
  delete: "Deletion",
  pin: "Pin",
  other: "Message of another kind",
};

export function preview(message) {
  if (message.deleted) return "Deleted message";
  if (message.undecryptable) return "Waiting for this message";
  const kind = KINDS[message.type];
  if (kind === undefined) return message.body;
  return message.body ? `${kind}: ${message.body}` : kind;
}

/** The furthest state that the other side has reported, or "pending". */
export function furthest(message) {
  const order = ["sent", "delivered", "read", "played"];
  const reached = message.receipts.map((receipt) => order.indexOf(receipt.state));
  return order[Math.max(-1, ...reached)] ?? "pending";
}

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}
