/** Messages on their way out of this page, and the drafts people have not sent yet. */
import { useQueryClient } from '@tanstack/vue-query'
import { defineStore } from 'pinia'
import { reactive, ref } from 'vue'

import { currentWorkspace } from '@/api/context'
import { ApiError, toApiError } from '@/api/errors'
import { sendMessage, uploadMedia } from '@/api/messages'
import { putMessages } from '@/api/stream/apply'
import type { Message } from '@/api/types'

import { takeDrafts } from './drafts'
import { randomKey } from './ids'
import { again, begin, type Draft, failed, type Outgoing, toRequest } from './outbox'
import { patiently } from './patience'

export const useOutbox = defineStore('outbox', () => {
  const cache = useQueryClient()
  const items = ref<Outgoing[]>([])
  const drafts = reactive(takeDrafts())
  const queues = new Map<string, Promise<unknown>>()

  function put(next: Outgoing): Outgoing {
    items.value = items.value.map((item) => (item.key === next.key ? next : item))
    return next
  }

  function discard(key: string): void {
    items.value = items.value.filter((item) => item.key !== key)
  }

  async function attempt(item: Outgoing): Promise<Message> {
    if (item.workspace !== currentWorkspace()) throw new ApiError(0, 'network', 'Another workspace is open.')
    let current = item
    if (current.file && !current.mediaId) {
      const media = await uploadMedia(current.file, (progress) => put({ ...current, progress }))
      current = put({ ...current, mediaId: media.id, phase: 'sending', progress: 1 })
    }
    return sendMessage(toRequest(current), current.key)
  }

  async function run(item: Outgoing): Promise<Message | null> {
    const current = (): Outgoing => items.value.find((other) => other.key === item.key) ?? item
    try {
      const message = await patiently(() => attempt(current()))
      putMessages(cache, message.chat_id, [message])
      discard(item.key)
      return message
    } catch (caught) {
      put(failed(current(), toApiError(caught)))
      return null
    }
  }

  /** One chat's messages leave one after the other, in the order they were typed. */
  function enqueue(item: Outgoing): Promise<Message | null> {
    const before = queues.get(item.chatId) ?? Promise.resolve()
    const mine = before.then(() => run(item))
    queues.set(item.chatId, mine)
    void mine.finally(() => {
      if (queues.get(item.chatId) === mine) queues.delete(item.chatId)
    })
    return mine
  }

  function send(draft: Draft): Promise<Message | null> {
    const item = begin(draft, randomKey(), new Date(), currentWorkspace())
    items.value = [...items.value, item]
    return enqueue(item)
  }

  function retry(key: string): void {
    const item = items.value.find((other) => other.key === key)
    if (item && item.phase === 'failed') void enqueue(put(again(item)))
  }

  /** Sends again, with the same key, what could not leave because the server was away. */
  function resume(): void {
    for (const item of items.value) {
      const waits = item.phase === 'failed' && item.error?.code === 'network'
      if (waits && item.workspace === currentWorkspace()) retry(item.key)
    }
  }

  /** Forgets everything: somebody else may sit down at this page. */
  function reset(): void {
    items.value = []
    drafts.clear()
  }

  const settled = (chatId: string): Promise<unknown> => queues.get(chatId) ?? Promise.resolve()

  /** Resolves when every message has left or failed; false when one has failed and waits here. */
  async function idle(): Promise<boolean> {
    while (queues.size > 0) await Promise.allSettled([...queues.values()])
    return items.value.length === 0
  }

  return { items, drafts, send, retry, resume, discard, reset, settled, idle }
})
