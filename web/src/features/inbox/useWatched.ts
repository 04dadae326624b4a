/** Tells the server which chat is looked at: only then WhatsApp is asked what the customer does. */
import { useDocumentVisibility, useIntervalFn } from '@vueuse/core'
import { type Ref, watch } from 'vue'

import { watchChat } from '@/api/chats'

/** The server forgets a watcher after 75 s. */
const AGAIN_MS = 30_000

export function useWatched(chatId: Ref<string>): void {
  const visibility = useDocumentVisibility()

  function tell(): void {
    // Best effort: without it only the customer's presence is not shown.
    if (visibility.value === 'visible') void watchChat(chatId.value).catch(() => undefined)
  }
  watch([chatId, visibility], tell, { immediate: true })
  useIntervalFn(tell, AGAIN_MS)
}
