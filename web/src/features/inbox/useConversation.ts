/** Everything one open conversation needs: its messages, what is leaving, marking read, retrying. */
import { useQueryClient } from '@tanstack/vue-query'
import { computed, nextTick, ref, shallowRef, watch, type Ref } from 'vue'

import { askForHistory, markRead, useChat } from '@/api/chats'
import { keys } from '@/api/keys'
import { retryMessage, useMessages } from '@/api/messages'
import { putChat, putMessages } from '@/api/stream/apply'
import type { Message } from '@/api/types'
import { unconfirmed } from '@/composables/outbox'
import { useNotify } from '@/composables/useNotify'
import { useOutbox } from '@/composables/useOutbox'

import { firstUnread, type Unread } from './timeline'

/** How far back a jump to an old message reads, in pages. */
const READ_BACK_PAGES = 20

export function useConversation(chatId: Ref<string>) {
  const cache = useQueryClient()
  const outbox = useOutbox()
  const notify = useNotify()
  const chat = useChat(chatId)
  const pages = useMessages(chatId)
  const replyTo = shallowRef<Message | null>(null)
  const editing = shallowRef<Message | null>(null)
  const unread = shallowRef<Unread | null>(null)
  const countedFor = ref<string | null>(null)

  const messages = computed(() => pages.data.value?.pages.flatMap((page) => page.data) ?? [])
  const outgoing = computed(() => unconfirmed(outbox.items, chatId.value, messages.value))

  watch(chatId, () => {
    replyTo.value = null
    editing.value = null
    unread.value = null
    countedFor.value = null
  })

  /** Called when the newest messages are on the screen: remembers where unread ones began, then marks them read. */
  async function seen(): Promise<void> {
    const current = chat.data.value
    if (!current || current.id !== chatId.value || document.visibilityState !== 'visible') return
    if (pages.isPending.value) return
    if (countedFor.value !== current.id) {
      countedFor.value = current.id
      unread.value = firstUnread(messages.value, current.unread_count)
    }
    if (current.unread_count === 0 && !current.marked_unread) return
    putChat(cache, { ...current, unread_count: 0, marked_unread: false })
    await markRead(current.id).catch(() => putChat(cache, current))
  }
  watch([() => chat.data.value?.unread_count, () => pages.isSuccess.value], () => void seen())

  /** Reads older messages until the one with this id is there; false when it does not come. */
  async function reach(id: string): Promise<boolean> {
    const here = chatId.value
    for (let read = 0; read < READ_BACK_PAGES; read++) {
      if (chatId.value !== here) return false
      if (messages.value.some((message) => message.id === id)) break
      if (!pages.hasNextPage.value) return false
      await pages.fetchNextPage()
    }
    await nextTick()
    return messages.value.some((message) => message.id === id)
  }

  /** Asks the number's phone for messages before the oldest one. */
  const askPhone = (): Promise<boolean> =>
    notify.attempt(async () => {
      const id = chatId.value
      await askForHistory(id)
      await cache.invalidateQueries({ queryKey: keys.older(id) })
    })

  async function retry(message: Message): Promise<void> {
    await notify.attempt(async () => putMessages(cache, message.chat_id, [await retryMessage(message.id)]))
  }

  return { chat, pages, messages, outgoing, unread, replyTo, editing, seen, retry, reach, askPhone, outbox }
}
