/** What a person does to messages: shown at once, sent with one key, and taken back on the page when it is refused. */
import { useQueryClient } from '@tanstack/vue-query'
import { onScopeDispose } from 'vue'
import { useI18n } from 'vue-i18n'

import { ApiError } from '@/api/errors'
import { keys } from '@/api/keys'
import { getMessage, sendMessage, starMessage } from '@/api/messages'
import { dropMessage, renewMessage } from '@/api/stream/apply'
import { textOf } from '@/api/stream/frames'
import type { Message, MessageSend } from '@/api/types'
import { randomKey } from '@/composables/ids'
import { patiently } from '@/composables/patience'
import { useNotify } from '@/composables/useNotify'
import { useStream } from '@/composables/useStream'

import { asDeleted, ourReaction, withPin, withReaction, withStar, withText, withVote } from './changes'

const request = (message: Message, type: string, content: Record<string, unknown>): MessageSend =>
  ({ to: message.chat_id, type, [type]: { message_id: message.id, ...content } }) as unknown as MessageSend

export function useChanges() {
  const cache = useQueryClient()
  const notify = useNotify()
  const { t } = useI18n()
  const stream = useStream()

  /** Changes that the server has stored, and WhatsApp may still refuse. */
  const stored = new Set<string>()
  onScopeDispose(
    stream.listen(({ name, data }) => {
      const id = textOf(data, 'message_id')
      if (name !== 'message.status' || data.state !== 'failed' || !id || !stored.delete(id)) return
      // The server has taken the change back, and the message is read again by its own event.
      const error = data.error as { code?: string; message?: string } | null | undefined
      notify.failure(new ApiError(0, error?.code ?? 'failed', error?.message ?? t('inbox.changeRefused')))
    })
  )

  /** Shows `next` while `action` runs; when it fails the message is shown as the server has it. */
  async function attempt(message: Message, next: Message, action: () => Promise<unknown>): Promise<boolean> {
    renewMessage(cache, next)
    const ok = await notify.attempt(() => patiently(action))
    if (!ok) renewMessage(cache, await getMessage(message.id).catch(() => message))
    return ok
  }

  /** Sends a change of `message` as a message of its own kind. */
  function change(message: Message, next: Message, type: string, content: Record<string, unknown>, around: Partial<MessageSend> = {}): Promise<boolean> {
    const key = randomKey()
    const body = { ...request(message, type, content), ...around }
    return attempt(message, next, async () => stored.add((await sendMessage(body, key)).id))
  }

  const now = (): string => new Date().toISOString()

  return {
    /** Reacts, or takes the reaction back when it is the one that is there. */
    react(message: Message, emoji: string): Promise<boolean> {
      const wanted = emoji === ourReaction(message) ? '' : emoji
      return change(message, withReaction(message, wanted, now()), 'reaction', { emoji: wanted })
    },
    vote: (message: Message, options: string[]) => change(message, withVote(message, options, now()), 'poll_vote', { options }),
    edit: (message: Message, body: string, mentions: string[]) =>
      change(message, withText(message, body, mentions, now()), 'edit', { text: { body } }, mentions.length ? { context: { mentions } } : {}),
    deleteForAll: (message: Message) => change(message, asDeleted(message, now()), 'delete', { for: 'everyone' }),
    /** Hides a message from us alone. */
    async deleteForMe(message: Message): Promise<boolean> {
      dropMessage(cache, message.chat_id, message.id)
      const key = randomKey()
      const body = request(message, 'delete', { for: 'me' })
      const ok = await notify.attempt(() => patiently(() => sendMessage(body, key)))
      if (!ok) await cache.invalidateQueries({ queryKey: keys.messages(message.chat_id) })
      return ok
    },
    /** Pins for `seconds`, or takes the pin off. */
    pin(message: Message, seconds: number | null): Promise<boolean> {
      const until = seconds === null ? null : new Date(Date.now() + seconds * 1000).toISOString()
      return change(message, withPin(message, until), 'pin', seconds === null ? { pinned: false } : { pinned: true, seconds })
    },
    /** Sets the disappearing timer of a chat; 0 is off. */
    setTimer(chatId: string, seconds: number): Promise<boolean> {
      const key = randomKey()
      return notify.attempt(() => patiently(() => sendMessage({ to: chatId, type: 'timer', timer: { seconds } } as unknown as MessageSend, key)), t('inbox.timer.changed'))
    },
    star: (message: Message, starred: boolean) => attempt(message, withStar(message, starred ? now() : null), () => starMessage(message.id, starred))
  }
}
