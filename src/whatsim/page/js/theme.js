// Colours: as the system, light or dark; remembered in this browser.

import { byId, icon } from "./dom.js";

const ORDER = ["system", "light", "dark"];
const DRAWINGS = { system: "system", light: "sun", dark: "moon" };

export function startTheme() {
  const button = byId("theme");
  const show = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.replaceChildren(icon(DRAWINGS[theme]));
    const words = theme === "system" ? "as the system" : theme;
    button.setAttribute("aria-label", `Colours: ${words}`);
    button.title = `Colours: ${words}`;
  };
  let theme = ORDER.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "system";
  show(theme);
  button.addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    localStorage.setItem("theme", theme);
    show(theme);
  });
}
