/** One-time secrets come in the address's fragment, which browsers do not send to servers or write to their logs. */
import { watch } from 'vue'
import { useRoute } from 'vue-router'

/**
 * Hands over the named value of the fragment, now and when such a link is opened while the page is
 * already there, and removes it from the address and the history.
 */
export function onFragment(name: string, take: (value: string) => void): void {
  const route = useRoute()
  watch(
    () => route.hash,
    (hash) => {
      const value = new URLSearchParams(hash.replace(/^#/, '')).get(name)
      if (!value) return
      history.replaceState(history.state, '', location.pathname + location.search)
      take(value)
    },
    { immediate: true }
  )
}

/** Only a path of this application; anything else leads to the inbox. */
export function safeNext(value: unknown): string {
  return typeof value === 'string' && /^\/(?![/\\])/.test(value) ? value : '/inbox'
}
