/** One-time secrets come in the address's fragment, which browsers do not send to servers or write to their logs. */
import type { RouteLocationNormalizedLoaded } from 'vue-router'

export function fragmentValue(route: RouteLocationNormalizedLoaded, name: string): string | null {
  return new URLSearchParams(route.hash.replace(/^#/, '')).get(name)
}

/** Removes the secret from the address and the history. */
export function clearFragment(): void {
  history.replaceState(history.state, '', location.pathname + location.search)
}

/** Only a path of this application; anything else leads to the inbox. */
export function safeNext(value: unknown): string {
  return typeof value === 'string' && /^\/(?!\/)/.test(value) ? value : '/inbox'
}
