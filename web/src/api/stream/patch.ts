/** Pure changes to cached pages of messages and chats. Each returns the same object when nothing changes. */
import type { InfiniteData } from '@tanstack/vue-query'

import type { ChatFilters } from '../keys'
import type { Chat, Message } from '../types'
import { advance, type StatusPatch } from './plan'

export interface Page<T> {
  data: T[]
  next_cursor?: string | null
}
export type Pages<T> = InfiniteData<Page<T>, string | null>

/** Changes the items for which `change` returns something new. */
function mapPages<T>(pages: Pages<T>, change: (item: T) => T): Pages<T> {
  let touched = false
  const next = pages.pages.map((page) => {
    let pageTouched = false
    const data = page.data.map((item) => {
      const changed = change(item)
      if (changed !== item) pageTouched = true
      return changed
    })
    if (!pageTouched) return page
    touched = true
    return { ...page, data }
  })
  return touched ? { ...pages, pages: next } : pages
}

export function patchStatuses(pages: Pages<Message>, patches: ReadonlyMap<string, StatusPatch>): Pages<Message> {
  return mapPages(pages, (message) => {
    const patch = patches.get(message.id)
    return patch ? withStatus(message, patch) : message
  })
}

export function withStatus(message: Message, patch: StatusPatch): Message {
  const state = advance(message.state, patch.state)
  const receipts = patch.receipts ?? message.receipts
  if (state === message.state && receipts === message.receipts) return message
  return { ...message, state, error: state === 'failed' ? patch.error : null, receipts }
}

/** Newest first, in the order of the server's pages; WhatsApp's own times know only whole seconds. */
function newerFirst(a: Message, b: Message): number {
  return b.position - a.position || (b.history_rank ?? 0) - (a.history_rank ?? 0)
}

/** Replaces messages that are there; a state already shown never goes back. */
export function replaceMessages(pages: Pages<Message>, incoming: readonly Message[]): Pages<Message> {
  const fresh = new Map(incoming.map((message) => [message.id, message]))
  return mapPages(pages, (message) => {
    const next = fresh.get(message.id)
    return next ? { ...next, state: advance(message.state, next.state) } : message
  })
}

/** Replaces messages that are there and inserts the others in the newest page. */
export function upsertMessages(pages: Pages<Message>, incoming: readonly Message[]): Pages<Message> {
  const replaced = replaceMessages(pages, incoming)
  const present = new Set(pages.pages.flatMap((page) => page.data.map((message) => message.id)))
  const fresh = new Map(incoming.filter((message) => !present.has(message.id)).map((message) => [message.id, message]))
  const [first, ...rest] = replaced.pages
  if (fresh.size === 0 || !first) return replaced
  const data = [...fresh.values(), ...first.data].sort(newerFirst)
  return { ...replaced, pages: [{ ...first, data }, ...rest] }
}

/** Takes a message out; it is no longer there for us. */
export function removeMessage(pages: Pages<Message>, id: string): Pages<Message> {
  if (!pages.pages.some((page) => page.data.some((message) => message.id === id))) return pages
  return {
    ...pages,
    pages: pages.pages.map((page) => ({ ...page, data: page.data.filter((message) => message.id !== id) }))
  }
}

export function matchesFilters(chat: Chat, filters: ChatFilters, known: boolean): boolean {
  if (filters.accountId && chat.account_id !== filters.accountId) return false
  // A chat that was read while it was open stays where it is; it leaves the unread list with the next full read.
  if (filters.unread && chat.unread_count === 0 && !chat.marked_unread && !known) return false
  if (!filters.search && Boolean(chat.archived) !== Boolean(filters.archived)) return false
  if (filters.label && !chat.labels?.some((label) => label.id === filters.label)) return false
  // Only the server knows what a search finds, so a search never gains chats by itself.
  return !filters.search || known
}

/** Pinned chats stand in front of all others. */
const PINNED = 1e15
const lastTime = (chat: Chat): number => (chat.pinned ? PINNED : 0) + (chat.last_message_at ? Date.parse(chat.last_message_at) : 0)

/** Puts a changed chat at its place: pinned ones first, then by time of the last message. */
export function upsertChat(pages: Pages<Chat>, chat: Chat, filters: ChatFilters): Pages<Chat> {
  const before = pages.pages.flatMap((page) => page.data).find((item) => item.id === chat.id)
  if (!matchesFilters(chat, filters, before !== undefined)) return before ? removeChat(pages, chat.id) : pages
  if (before && lastTime(before) === lastTime(chat)) {
    return mapPages(pages, (item) => (item.id === chat.id ? chat : item))
  }
  const without = removeChat(pages, chat.id)
  const index = without.pages.findIndex((page) => page.data.some((item) => lastTime(item) <= lastTime(chat)))
  const lastPage = without.pages.length - 1
  if (index === -1 && without.pages[lastPage]?.next_cursor) return without
  return {
    ...without,
    pages: without.pages.map((page, at) => {
      if (at !== (index === -1 ? lastPage : index)) return page
      const place = page.data.findIndex((item) => lastTime(item) <= lastTime(chat))
      const data = [...page.data]
      data.splice(place === -1 ? data.length : place, 0, chat)
      return { ...page, data }
    })
  }
}

export function removeChat(pages: Pages<Chat>, id: string): Pages<Chat> {
  if (!pages.pages.some((page) => page.data.some((chat) => chat.id === id))) return pages
  return {
    ...pages,
    pages: pages.pages.map((page) => ({ ...page, data: page.data.filter((chat) => chat.id !== id) }))
  }
}

/** Ticks in the chat list follow the last message's state. */
export function patchLastMessages(pages: Pages<Chat>, patches: ReadonlyMap<string, StatusPatch>): Pages<Chat> {
  return mapPages(pages, (chat) => {
    const patch = chat.last_message?.id ? patches.get(chat.last_message.id) : undefined
    if (!patch || !chat.last_message) return chat
    const state = advance(chat.last_message.state, patch.state)
    if (state === chat.last_message.state) return chat
    return { ...chat, last_message: { ...chat.last_message, state } }
  })
}
