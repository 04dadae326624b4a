// Small tools to build and update the document: elements, icons, keyed lists, toasts.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  back: "M15 5l-7 7 7 7",
  send: "M5 12h13M13 6l6 6-6 6",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01",
  compose: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  sun: "M12 8a4 4 0 100 8 4 4 0 000-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M19 5l-1.4 1.4M6.4 17.6L5 19",
  moon: "M20 14.5A8 8 0 019.5 4a8 8 0 1010.5 10.5z",
  system: "M12 4a8 8 0 100 16zM12 4a8 8 0 010 16",
  stop: "M7 7h10v10H7z",
  play: "M8 5.5v13l10-6.5z",
  scan: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M4 12h16",
  copy: "M9 9h10v10H9zM5 15V5h10",
  link: "M10 14a4 4 0 005.7 0l3-3A4 4 0 0013 5.3l-1 1M14 10a4 4 0 00-5.7 0l-3 3A4 4 0 0011 18.7l1-1",
};

/** Build an element: h("button", {class: "x", onclick: fn, data: {key: 1}}, "text", child, [children], null). */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "value") element.value = value;
    else if (name === "checked") element.checked = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function icon(name, extra = "") {
  return drawing("0 0 24 24", ICONS[name], `icon ${extra}`);
}

/** Build a decorative line drawing from one SVG path. */
export function drawing(viewBox, path, className) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", viewBox);
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

export const byId = (id) => document.getElementById(id);

/**
 * Make `container` show `items` ({key, sign, render}) in their order. Only an item whose sign changed is built anew,
 * so that focus, scroll position and loaded pictures stay.
 */
export function reconcile(container, items) {
  const known = container.knownItems ?? (container.knownItems = new Map());
  const wanted = new Set(items.map((item) => item.key));
  for (const [key, entry] of known) {
    if (wanted.has(key)) continue;
    entry.node.remove();
    known.delete(key);
  }
  let place = container.firstChild;
  for (const item of items) {
    let entry = known.get(item.key);
    if (entry === undefined) {
      entry = { sign: item.sign, node: item.render() };
      known.set(item.key, entry);
    } else if (entry.sign !== item.sign) {
      const fresh = item.render();
      const focused = entry.node.contains(document.activeElement) ? document.activeElement.dataset.focus ?? "" : null;
      if (place === entry.node) place = fresh;
      entry.node.replaceWith(fresh);
      Object.assign(entry, { sign: item.sign, node: fresh });
      if (focused !== null) restoreFocus(fresh, focused);
    }
    if (place === entry.node) place = place.nextSibling;
    else container.insertBefore(entry.node, place);
  }
}

function restoreFocus(node, mark) {
  const target = mark ? node.querySelector(`[data-focus="${CSS.escape(mark)}"]`) : node.querySelector("button, input");
  (target ?? node).focus({ preventScroll: true });
}

/** Show a sentence at the corner; errors stay until dismissed, everything else leaves after six seconds. */
export function toast(text, kind = "info") {
  const dismiss = h("button", { class: "icon-button", type: "button", "aria-label": "Dismiss" }, icon("close"));
  const element = h("div", { class: `toast ${kind}` }, h("span", {}, text), dismiss);
  dismiss.addEventListener("click", () => element.remove());
  byId("toasts").append(element);
  if (kind !== "error") setTimeout(() => element.remove(), 6000);
}

/** Run an action; a refusal is shown as a toast. Returns whether it succeeded. */
export async function attempt(action) {
  try {
    await action();
    return true;
  } catch (error) {
    toast(error.message, "error");
    return false;
  }
}

export function announce(text) {
  byId("announcer").textContent = text;
}

export async function copy(text) {
  await attempt(async () => {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  });
}

/** Open the page's dialog with a form; `onsubmit` may throw, then the error stands in the form and it stays open. */
export function openDialog(title, fields, submitLabel, onsubmit) {
  const dialog = byId("dialog");
  const problem = h("p", { class: "field-error", role: "alert", hidden: true });
  const submit = h("button", { class: "button primary", type: "submit" }, submitLabel);
  const cancel = h("button", { class: "button", type: "button", onclick: () => dialog.close() }, "Cancel");
  const form = h(
    "form",
    { novalidate: true },
    h("h2", { id: "dialog-title" }, title),
    ...fields,
    problem,
    h("div", { class: "actions" }, cancel, submit),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.hidden = true;
    submit.disabled = true;
    try {
      await onsubmit(form);
      dialog.close();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    } finally {
      submit.disabled = false;
    }
  });
  dialog.replaceChildren(form);
  if (!dialog.open) dialog.showModal();
  return form;
}
