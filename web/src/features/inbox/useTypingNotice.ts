/** Tells the customer that an answer is being written. */
import { useThrottleFn } from '@vueuse/core'
import { onBeforeUnmount, type Ref, watch } from 'vue'

import { sendTyping } from '@/api/chats'

/** WhatsApp shows "typing" for a while by itself, so it is told at most this often. */
const TYPING_EVERY_MS = 5_000

export function useTypingNotice(chatId: Ref<string>, text: Ref<string>) {
  let typed = false
  const tell = useThrottleFn(() => void sendTyping(chatId.value, 'composing').catch(() => undefined), TYPING_EVERY_MS)

  function pause(chat: string): void {
    if (!typed) return
    typed = false
    void sendTyping(chat, 'paused').catch(() => undefined)
  }

  watch(text, (value) => {
    if (!value) return
    typed = true
    void tell()
  })
  watch(chatId, (_, before) => pause(before))
  onBeforeUnmount(() => pause(chatId.value))

  /** What was written has been sent, which ends the typing by itself. */
  return { sent: () => (typed = false) }
}
