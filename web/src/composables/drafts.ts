/** What people have typed and not sent, kept over a restart of the page in this tab and nowhere else. */

const KEPT = 'blazz-drafts'

/** Keeps texts by their chats' ids; where the browser refuses, they are lost with the page. */
export function keepDrafts(drafts: ReadonlyMap<string, string>): void {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify([...drafts]))
  } catch {
    // Nothing else can be done.
  }
}

/** The texts kept by the page before this one, which are then kept no longer. */
export function takeDrafts(): Map<string, string> {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEPT) ?? '[]')
    sessionStorage.removeItem(KEPT)
    return new Map(Array.isArray(kept) ? kept.filter(isDraft) : [])
  } catch {
    return new Map()
  }
}

const isDraft = (entry: unknown): entry is [string, string] =>
  Array.isArray(entry) && entry.length === 2 && entry.every((part) => typeof part === 'string')
