// The dialog that links a device: a QR code's text, a picture of it, or the 8-character code.

import { post } from "./api.js";
import { h, icon, openDialog, toast } from "./dom.js";
import { phoneNumber } from "./format.js";
import { canReadScreen, readQr, readScreen } from "./qr-picture.js";
import { changed, current, onChange, putPhone, select, state } from "./store.js";
import { showTab } from "./tabs.js";

const NEW = "new";

/** Open the dialog, with a QR text filled in when the product's page sent one along. */
export function openLink(prefill = "") {
  const phone = choosePhone();
  const qr = h("textarea", { rows: "3", spellcheck: "false", autocomplete: "off", placeholder: "https://wa.me/…#2@…", value: prefill });
  const note = h("p", { class: "quiet", role: "status" }, "Scan the QR code where it is shown, or drop or paste a picture of it.");
  const file = h("input", { type: "file", accept: "image/*", hidden: true });
  const choose = h("button", { class: "button small", type: "button", onclick: () => file.click() }, icon("picture"), "Choose a picture");
  const scan = h("button", { class: "button small", type: "button", hidden: !canReadScreen() }, icon("scan"), "Scan the screen");
  const drop = h("div", { class: "drop" }, note, file, h("div", { class: "inline" }, scan, choose));
  const code = h("input", { class: "code-input", maxlength: "9", autocomplete: "off", spellcheck: "false", placeholder: "ABCD-1234" });

  const take = async (reading) => {
    note.textContent = "Looking for a QR code…";
    try {
      qr.value = await reading;
      note.textContent = "The QR code was read.";
    } catch (error) {
      note.textContent = error.message;
    }
  };
  file.addEventListener("change", () => file.files.length && take(readQr(file.files[0])));
  scan.addEventListener("click", () => take(readScreen()));
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length) take(readQr(event.dataTransfer.files[0]));
  });

  const form = openDialog(
    "Link a device",
    [
      h("label", { class: "field" }, h("span", {}, "Phone that links it"), phone),
      h("label", { class: "field" }, h("span", {}, "Text of the QR code"), qr),
      drop,
      h("div", { class: "or" }, "or"),
      h("label", { class: "field" }, h("span", {}, "8-character code shown by the device"), code),
    ],
    "Link device",
    async () => {
      const body = wanted(qr.value, code.value);
      let number = phone.value;
      if (number === NEW) {
        const made = await post("/phones", {});
        putPhone(made);
        number = made.number;
        // A second try after a refused code must not make a second phone.
        phone.append(h("option", { value: number }, phoneNumber(number)));
        phone.value = number;
      }
      const device = await post(`/phones/${number}/link`, body);
      changed("phones");
      await select(number);
      showTab("phone");
      toast(`Linked: ${device.platform || "the device"} now belongs to ${phoneNumber(number)}.`);
    },
  );
  form.addEventListener("paste", (event) => {
    const picture = [...(event.clipboardData?.files ?? [])].find((candidate) => candidate.type.startsWith("image/"));
    if (picture === undefined) return;
    event.preventDefault();
    take(readQr(picture));
  });
  (prefill ? phone : qr).focus();
}

/** Offer the chosen phone first, or a new one when the chosen phone has a linked device already. */
function choosePhone() {
  const chosen = current();
  const choice = h("select", {});
  const offer = (value) => {
    const options = [...state.phones.values()].map((phone) =>
      h("option", { value: phone.number }, `${phone.name || "Unnamed"}, ${phoneNumber(phone.number)}`),
    );
    choice.replaceChildren(h("option", { value: NEW }, "A new phone"), ...options);
    choice.value = value;
  };
  offer(chosen !== null && chosen.devices.length === 0 ? chosen.number : NEW);
  const forget = onChange((topics) => {
    if (!choice.isConnected) forget();
    else if (topics.has("phones") && choice.options.length !== state.phones.size + 1) offer(choice.value);
  });
  return choice;
}

function wanted(qr, code) {
  const text = qr.trim();
  const letters = code.replace(/[^0-9a-z]/gi, "").toUpperCase();
  if (letters) {
    if (letters.length !== 8) throw new Error("The code has 8 letters and digits.");
    return { code: letters };
  }
  if (!text) throw new Error("Give the QR code's text, a picture of it, or the code.");
  return { qr: text };
}

/** A page elsewhere may lead here with #link=<QR text>; the text leaves the address bar at once. */
export function linkFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("link");
  if (given === null || !state.live) return;
  history.replaceState(null, "", location.pathname);
  // QR texts hold base64, in which an unescaped plus sign would have become a space.
  openLink(given.replaceAll(" ", "+"));
}
