// The line at the bottom of a conversation: text, a picture, typing signals. What was not sent yet is kept per chat.

import { base64Of, post } from "./api.js";
import { attempt, h, icon, toast } from "./dom.js";
import { moreKinds } from "./actions.js";
import { sender } from "./contents.js";
import { put } from "./store.js";

const TYPING_EVERY_MS = 4000;
const TYPING_PAUSE_MS = 5000;
const MAX_IMAGE_BYTES = 16 * 1024 * 1024;
const PICTURES = "image/jpeg,image/png,image/webp,image/gif";

const drafts = new Map();

export function composer(number, chat) {
  const key = `${number} ${chat}`;
  const draft = drafts.get(key) ?? { text: "", file: null };
  drafts.set(key, draft);

  const text = h("textarea", { rows: "1", placeholder: "Message", "aria-label": "Message", maxlength: "65536", value: draft.text });
  const chooser = h("input", { type: "file", accept: PICTURES, hidden: true });
  const attach = h(
    "button",
    { class: "icon-button", type: "button", "aria-label": "Send a picture", title: "Send a picture", onclick: () => chooser.click() },
    icon("picture"),
  );
  const send = h("button", { class: "icon-button send", type: "submit", "aria-label": "Send", title: "Send" }, icon("send"));
  const form = h("form", { class: "composer" }, moreKinds(sender(number, chat)), attach, chooser, text, send);
  const attachment = h("div", { class: "attachment", hidden: true });
  const node = h("div", {}, attachment, form);
  const typing = typingSignals(number, chat);

  const resize = () => {
    text.style.height = "auto";
    text.style.height = `${Math.min(text.scrollHeight + 2, 120)}px`;
    text.style.overflowY = text.scrollHeight > 120 ? "auto" : "hidden";
    send.disabled = text.value.trim() === "" && draft.file === null;
  };
  const setFile = (file) => {
    if (file !== null && file.size > MAX_IMAGE_BYTES) return toast("A picture has at most 16 MB.", "error");
    draft.file = file;
    showAttachment(attachment, file, () => setFile(null));
    resize();
    text.placeholder = file === null ? "Message" : "Add a caption";
    text.focus();
  };

  text.addEventListener("input", () => {
    draft.text = text.value;
    resize();
    if (text.value.trim()) typing.active();
    else typing.stop();
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  text.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((candidate) => PICTURES.includes(candidate.type));
    if (file === undefined) return;
    event.preventDefault();
    setFile(file);
  });
  chooser.addEventListener("change", () => {
    if (chooser.files.length) setFile(chooser.files[0]);
    chooser.value = "";
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const unsent = { text: text.value, file: draft.file };
    if (!unsent.text.trim() && unsent.file === null) return;
    typing.forget();
    text.value = draft.text = "";
    if (unsent.file !== null) setFile(null);
    resize();
    const sent = await attempt(async () => put(await post(`/phones/${number}/messages`, await body(chat, unsent))));
    // What failed goes back into the line, unless something new was begun there.
    if (sent || draft.text || draft.file) return;
    text.value = draft.text = unsent.text;
    if (unsent.file !== null) setFile(unsent.file);
    resize();
  });

  const focus = () => {
    resize();
    // On a touch screen, focus would raise the keyboard over the conversation.
    if (matchMedia("(pointer: fine)").matches) text.focus();
  };
  showAttachment(attachment, draft.file, () => setFile(null));
  resize();
  return { node, focus };
}

async function body(to, { text, file }) {
  if (file === null) return { to, type: "text", text: { body: text } };
  return { to, type: "image", image: { base64: await base64Of(file), caption: text.trim() || null } };
}

function showAttachment(box, file, drop) {
  const old = box.querySelector("img");
  if (old !== null) URL.revokeObjectURL(old.src);
  box.hidden = file === null;
  if (file === null) return box.replaceChildren();
  const close = h("button", { class: "icon-button", type: "button", "aria-label": "Remove the picture", onclick: drop }, icon("close"));
  box.replaceChildren(h("img", { src: URL.createObjectURL(file), alt: "" }), h("span", {}, file.name || "Pasted picture"), close);
}

/** Tell the other side at most every few seconds that somebody types here, and once when it stops. */
function typingSignals(number, chat) {
  let sentAt = 0;
  let timer = null;
  const tell = (composing) => post(`/phones/${number}/typing`, { to: chat, composing }).catch(() => {});
  const forget = () => {
    clearTimeout(timer);
    sentAt = 0;
  };
  const stop = () => {
    if (sentAt) tell(false);
    forget();
  };
  const active = () => {
    clearTimeout(timer);
    timer = setTimeout(stop, TYPING_PAUSE_MS);
    if (Date.now() - sentAt < TYPING_EVERY_MS) return;
    sentAt = Date.now();
    tell(true);
  };
  return { active, stop, forget };
}
