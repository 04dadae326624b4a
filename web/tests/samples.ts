/** Small whole objects for tests, with only what matters given by the test. */
import type { Chat, LogEvent, Message } from '@/api/types'
import type { Pages } from '@/api/stream/patch'

export function message(id: string, overrides: Partial<Message> = {}): Message {
  return {
    id,
    chat_id: 'chat-1',
    account_id: 'account-1',
    direction: 'outbound',
    type: 'text',
    text: { body: id },
    context: null,
    state: 'pending',
    error: null,
    timestamp: '2026-11-23T10:00:00Z',
    wa_message_id: id,
    position: 1,
    sent_by: null,
    source: 'inbox',
    client_ref: null,
    ...overrides
  } as Message
}

export function chat(id: string, lastMessageAt: string | null, overrides: Partial<Chat> = {}): Chat {
  return {
    id,
    account_id: 'account-1',
    contact: { id: `contact-${id}`, name: id, phone: null, display_name: id },
    last_message: null,
    unread_count: 0,
    last_message_at: lastMessageAt,
    ...overrides
  } as Chat
}

export function event(position: number, name: string, data: Record<string, unknown>): LogEvent {
  return { id: `event-${position}`, position, name, occurred_at: '2026-11-23T10:00:00Z', account_id: null, data } as LogEvent
}

export function pages<T>(...data: T[][]): Pages<T> {
  return {
    pages: data.map((items, index) => ({ data: items, next_cursor: index === data.length - 1 ? null : `c${index}` })),
    pageParams: data.map((_, index) => (index === 0 ? null : `c${index - 1}`))
  }
}
