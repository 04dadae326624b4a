// On a narrow screen one part of the page is shown at a time; the bar at the bottom chooses which.

const frame = () => document.querySelector(".frame");

export function showTab(name) {
  frame().dataset.tab = name;
  for (const button of document.querySelectorAll(".tabs button")) {
    button.setAttribute("aria-current", String(button.dataset.tab === name));
  }
}

export function startTabs() {
  for (const button of document.querySelectorAll(".tabs button")) {
    button.addEventListener("click", () => showTab(button.dataset.tab));
  }
  showTab("phone");
}
