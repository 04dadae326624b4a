"""The axe engine run on an open page: what it finds that would keep people out."""

from __future__ import annotations

from typing import Literal

from playwright.sync_api import Page

from tests.e2e.support import ROOT

_AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# What is no matter of colour is the same in both themes and is looked at once.
_COLOURS = ["color-contrast", "link-in-text-block"]
_RUN = """async (only) => {
    const found = await axe.run(document, { resultTypes: ['violations'], ...(only ? { runOnly: only } : {}) })
    if (!found.passes.length) throw new Error('nothing was looked at')
    return found.violations
        .filter((violation) => ['serious', 'critical'].includes(violation.impact))
        .flatMap((violation) => violation.nodes.map((node) => `${violation.id}: ${node.failureSummary} ${node.html}`))
}"""


def violations(page: Page) -> list[str]:
    """Serious and critical findings of axe on what the page shows, in both themes."""
    page.evaluate(_AXE.read_text())
    found: list[str] = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.evaluate("() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished))")
        found += [f"{theme}: {finding}" for finding in page.evaluate(_RUN, _COLOURS if theme == "dark" else None)]
    return found
