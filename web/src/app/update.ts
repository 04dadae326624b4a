/**
 * A page that was open over a deploy asks for parts that the server no longer has: it starts anew by itself, once, and
 * keeps what was typed. Where that would lose something, or would not help, the person decides.
 */

/** What cannot go on: Blazz was updated, or a part of the page did not come for another reason. */
export type Notice = 'updated' | 'incomplete'

export interface Surroundings {
  /** True when the server has another version than this page. */
  newer: () => Promise<boolean>
  /** Resolves when nothing is on its way any more; false when something could not leave and would be lost. */
  idle: () => Promise<boolean>
  /** Keeps over the restart what was typed. */
  keep: () => void
  /** Loads the page anew, at the address or where it is. */
  restart: (address: string | null) => void
  /** Says what cannot go on, with a button that calls `reload`. */
  ask: (notice: Notice, reload: () => void) => void
  /** Says, after the restart, that there was one. */
  tell: () => void
  storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>
}

const RESTARTED_AT = 'blazz-restarted-at'
const TO_TELL = 'blazz-updated'
/** A page that misses its parts again so soon is not healed by another restart. */
export const RESTART_AFTER_MS = 60_000

export function createUpdater(around: Surroundings) {
  let busy = false
  let address: string | null = null

  function restart(): void {
    around.keep()
    around.restart(address)
  }

  function restartedLately(): boolean {
    return Date.now() - Number(around.storage.getItem(RESTARTED_AT) ?? 0) < RESTART_AFTER_MS
  }

  /** To be called once the page is there: says that it was updated, if that is why it started. */
  function started(): void {
    if (around.storage.getItem(TO_TELL) === null) return
    around.storage.removeItem(TO_TELL)
    around.tell()
  }

  /** A part of the page could not be loaded. */
  async function missing(): Promise<void> {
    if (busy) return
    busy = true
    try {
      const updated = await around.newer().catch(() => false)
      if (!updated || restartedLately() || !(await around.idle())) {
        around.ask(updated ? 'updated' : 'incomplete', restart)
        return
      }
      around.storage.setItem(RESTARTED_AT, String(Date.now()))
      around.storage.setItem(TO_TELL, '1')
      restart()
    } finally {
      busy = false
    }
  }

  return {
    missing,
    started,
    /** Where the person wanted to go when a part was missing; the restart leads there. */
    wanted: (path: string) => (address = path)
  }
}

/** The script that a page of this application starts with; it has another name in each version. */
export const entryOf = (page: Document): string | null => page.querySelector('script[type="module"][src]')?.getAttribute('src') ?? null
