/** Pure life of one message on its way out: drawn at once, sent with one key however often, failed with a reason. */
import type { ApiError } from '@/api/errors'
import type { Message, MessageSend } from '@/api/types'

/** What a message's kind makes of it: in a request `content` stands under the name of the `type`. */
export interface Body {
  type: string
  content: Record<string, unknown> | readonly object[]
}

export interface Draft {
  chatId: string
  /** Where to: a chat's id, or a number for a new chat. */
  to: string
  accountId: string | null
  body: Body
  /** Uploaded before the message is sent; its id becomes part of the content. */
  file: File | null
  replyTo: string | null
  /** Addresses of people whom the text names. */
  mentions?: readonly string[]
  /** What to draw meanwhile when the body cannot show it, as with a forwarded message. */
  shown?: Message | null
}

export interface Outgoing extends Draft {
  /** The idempotency key: made once, used by every attempt. */
  key: string
  createdAt: string
  /** Where it belongs; it never leaves from another workspace. */
  workspace: string | null
  phase: 'uploading' | 'sending' | 'failed'
  progress: number
  mediaId: string | null
  error: { code: string; message: string; requestId: string | null } | null
}

/** A text; with a web address in it, its page is shown beside it. */
export const textBody = (text: string): Body => ({
  type: 'text',
  content: /https?:\/\//i.test(text) ? { body: text, preview_url: true } : { body: text }
})

export function begin(draft: Draft, key: string, now: Date, workspace: string | null = null): Outgoing {
  return {
    ...draft,
    key,
    createdAt: now.toISOString(),
    workspace,
    phase: draft.file ? 'uploading' : 'sending',
    progress: 0,
    mediaId: null,
    error: null
  }
}

export function failed(item: Outgoing, error: ApiError): Outgoing {
  return { ...item, phase: 'failed', error: { code: error.code, message: error.message, requestId: error.requestId } }
}

/** The same message again, with the same key; a file that is already uploaded is not uploaded twice. */
export function again(item: Outgoing): Outgoing {
  return { ...item, phase: item.file && !item.mediaId ? 'uploading' : 'sending', error: null, progress: 0 }
}

export function toRequest(item: Outgoing): MessageSend {
  const context = {
    ...(item.replyTo ? { message_id: item.replyTo } : {}),
    ...(item.mentions?.length ? { mentions: [...item.mentions] } : {})
  }
  return {
    to: item.to,
    client_ref: item.key,
    ...(item.accountId ? { account_id: item.accountId } : {}),
    ...(Object.keys(context).length ? { context } : {}),
    type: item.body.type,
    [item.body.type]: item.mediaId ? { ...item.body.content, id: item.mediaId } : item.body.content
  } as MessageSend
}

/** What is still ours alone: an item the server has already turned into one of these messages is left out. */
export function unconfirmed(items: readonly Outgoing[], chatId: string, messages: readonly Message[]): Outgoing[] {
  const known = new Set(messages.map((message) => message.client_ref).filter(Boolean))
  return items.filter((item) => item.chatId === chatId && !known.has(item.key))
}
