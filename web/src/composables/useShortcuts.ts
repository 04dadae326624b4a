/** Single-key shortcuts of a page; they rest while a dialog is open, so that nothing happens behind it. */
import { defineShortcuts } from '@nuxt/ui/composables'

type Handlers = Record<string, () => void>

const dialogOpen = (): boolean => document.querySelector('[role="dialog"][data-state="open"]') !== null

export function useShortcuts(handlers: Handlers): void {
  const resting: Handlers = {}
  for (const [keys, run] of Object.entries(handlers)) {
    resting[keys] = () => {
      if (!dialogOpen()) run()
    }
  }
  defineShortcuts(resting)
}
