/** A message on its way, as the message that it will be; so that it is drawn by the same parts. */
import type { Message } from '@/api/types'
import type { Outgoing } from '@/composables/outbox'

/** Where an answer differs from the request that made it. */
function contentOf(item: Outgoing): unknown {
  const { type, content } = item.body
  if (type !== 'poll' || !('options' in content) || !Array.isArray(content.options)) return content
  return { ...content, options: content.options.map((name: string) => ({ name, voters: [] })), voters: 0 }
}

/** Handing on what oneself wrote does not count as forwarding. */
const isForward = (shown: Message | null | undefined): boolean =>
  shown?.direction === 'inbound' || Boolean(shown?.context?.forwarded)

export function asMessage(item: Outgoing): Message {
  const base: Partial<Message> = item.shown ?? { type: item.body.type, [item.body.type]: contentOf(item) }
  return {
    ...base,
    id: item.key,
    chat_id: item.chatId,
    account_id: item.accountId ?? '',
    direction: 'outbound',
    author: '',
    context: { message_id: item.replyTo, mentions: [...(item.mentions ?? [])], forwarded: isForward(item.shown), frequently_forwarded: false },
    state: item.phase === 'failed' ? 'failed' : 'pending',
    error: null,
    timestamp: item.createdAt,
    wa_message_id: '',
    position: 0,
    sent_by: null,
    source: 'inbox',
    client_ref: item.key,
    reactions: []
  } as unknown as Message
}
