/** Carries a plan out on the query cache: narrow reads and patches, whole lists only when a burst is too wide. */
import type { QueryClient } from '@tanstack/vue-query'

import { getChat } from '../chats'
import { type ChatFilters, keys } from '../keys'
import { getMessage } from '../messages'
import type { Chat, Message } from '../types'
import { ApiError } from '../errors'
import { type Pages, patchLastMessages, patchStatuses, removeMessage, replaceMessages, upsertChat, upsertMessages, withStatus } from './patch'
import type { Plan, StatusPatch } from './plan'

/** Above this many changed chats one read of the lists costs less than one read per chat. */
const WIDE_BURST = 25

export interface Hooks {
  /** Resolves when our own sends to this chat are settled, so that a message is not drawn beside its optimistic twin. */
  settled: (chatId: string) => Promise<unknown>
  inbound: (message: Message) => void
}

export async function applyPlan(cache: QueryClient, plan: Plan, hooks: Hooks): Promise<void> {
  applyStatuses(cache, plan)
  refreshAccounts(cache, plan)
  refreshContacts(cache, plan)
  refreshHistory(cache, plan)
  findMedia(cache, plan)
  for (const id of plan.groups) void cache.invalidateQueries({ queryKey: keys.group(id) })
  await Promise.all([readMessages(cache, plan, hooks), readChanged(cache, plan), readChats(cache, plan)])
}

/** States heard lately: a message read a moment too early is brought up to date when it enters the cache. */
const heard = new Map<string, StatusPatch>()
const HEARD_LIMIT = 2_000

function remember(statuses: Plan['statuses']): void {
  for (const [id, patch] of statuses) {
    heard.delete(id)
    heard.set(id, patch)
  }
  for (const id of heard.keys()) {
    if (heard.size <= HEARD_LIMIT) break
    heard.delete(id)
  }
}

function upToDate(message: Message): Message {
  const patch = heard.get(message.id)
  return patch && message.state !== 'failed' ? withStatus(message, patch) : message
}

/** Waits for reads that are under way: they may have been answered before the change and would overwrite it. */
async function quiet(cache: QueryClient, queryKey: readonly unknown[]): Promise<void> {
  const queries = cache.getQueryCache().findAll({ queryKey, fetchStatus: 'fetching' })
  await Promise.all(queries.map((query) => query.promise?.catch(() => undefined)))
}

function applyStatuses(cache: QueryClient, plan: Plan): void {
  if (plan.statuses.size === 0) return
  remember(plan.statuses)
  const chats = new Set([...plan.statuses.values()].map((patch) => patch.chatId))
  for (const chatId of chats) {
    cache.setQueryData<Pages<Message>>(keys.messages(chatId), (pages) => pages && patchStatuses(pages, plan.statuses))
  }
  for (const [id, patch] of plan.statuses) {
    cache.setQueryData<Message>(keys.message(id), (message) => message && withStatus(message, patch))
    void cache.invalidateQueries({ queryKey: keys.messageReceipts(id) })
  }
  cache.setQueriesData<Pages<Chat>>({ queryKey: keys.chatLists }, (pages) =>
    pages ? patchLastMessages(pages, plan.statuses) : pages
  )
}

function refreshAccounts(cache: QueryClient, plan: Plan): void {
  for (const id of plan.accounts) {
    void cache.invalidateQueries({ queryKey: keys.account(id) })
  }
  if (plan.accountListChanged) void cache.invalidateQueries({ queryKey: keys.accounts })
}

function refreshContacts(cache: QueryClient, plan: Plan): void {
  for (const id of plan.contacts) void cache.invalidateQueries({ queryKey: keys.contact(id) })
  if (plan.contactListChanged) void cache.invalidateQueries({ queryKey: keys.contactLists })
  // Chats show names and pictures of their people.
  for (const chat of shownChats(cache)) {
    if (chat.contact && plan.contacts.has(chat.contact.id)) plan.chats.add(chat.id)
  }
}

function refreshHistory(cache: QueryClient, plan: Plan): void {
  for (const id of plan.imports) void cache.invalidateQueries({ queryKey: keys.numberHistory(id) })
  for (const id of plan.refilled) {
    void cache.invalidateQueries({ queryKey: keys.messages(id) })
    void cache.invalidateQueries({ queryKey: keys.older(id) })
  }
  if (plan.labelsChanged) {
    void cache.invalidateQueries({ queryKey: keys.labels })
    void cache.invalidateQueries({ queryKey: keys.chatLists })
  }
}

function shownChats(cache: QueryClient): Chat[] {
  const listed = cache.getQueriesData<Pages<Chat>>({ queryKey: keys.chatLists }).flatMap(([, pages]) => pages?.pages ?? [])
  const opened = cache.getQueriesData<Chat>({ queryKey: ['chat'] }).map(([, chat]) => chat)
  return [...listed.flatMap((page) => page.data), ...opened.filter((chat) => chat !== undefined)]
}

async function readMessages(cache: QueryClient, plan: Plan, hooks: Hooks): Promise<void> {
  const theirs = new Map<string, string[]>()
  const ours = new Map<string, string[]>()
  for (const [id, chatId] of plan.messages) {
    const side = plan.inbound.has(id) ? theirs : ours
    side.set(chatId, [...(side.get(chatId) ?? []), id])
  }
  await Promise.all([
    ...[...theirs].map(async ([chatId, ids]) => {
      for (const message of await readInto(cache, chatId, ids)) hooks.inbound(message)
    }),
    ...[...ours].map(async ([chatId, ids]) => {
      await hooks.settled(chatId)
      await readInto(cache, chatId, ids)
    })
  ])
}

/** Reads new messages of one chat into its cached pages; a chat nobody has opened is read when it is opened. */
async function readInto(cache: QueryClient, chatId: string, ids: string[]): Promise<Message[]> {
  const key = keys.messages(chatId)
  await quiet(cache, key)
  const pages = cache.getQueryData<Pages<Message>>(key)
  if (!pages) return []
  if (ids.length > WIDE_BURST) {
    await cache.resetQueries({ queryKey: key })
    return []
  }
  const read = (await Promise.all(ids.map((id) => getMessage(id).catch(() => null)))).filter((m) => m !== null)
  if (read.length < ids.length) void cache.invalidateQueries({ queryKey: key })
  putMessages(cache, chatId, read)
  return read
}

/** Reads changed messages again, as far as they are shown somewhere; one that is gone is taken out. */
async function readChanged(cache: QueryClient, plan: Plan): Promise<void> {
  for (const chatId of plan.pins) void cache.invalidateQueries({ queryKey: keys.pinned(chatId) })
  const shown = [...plan.changed].filter(([id, chatId]) => isShown(cache, chatId, id))
  if (shown.length > WIDE_BURST) {
    const chats = new Set(shown.map(([, chatId]) => chatId))
    await Promise.all([...chats].map((chatId) => cache.invalidateQueries({ queryKey: keys.messages(chatId) })))
    return
  }
  await Promise.all(
    shown.map(async ([id, chatId]) => {
      await quiet(cache, keys.messages(chatId))
      try {
        const message = await getMessage(id)
        if (message.hidden_at) dropMessage(cache, chatId, id)
        else renewMessage(cache, message)
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) dropMessage(cache, chatId, id)
        else void cache.invalidateQueries({ queryKey: keys.messages(chatId) })
      }
    })
  )
}

/** Adds the messages on screen whose file has changed to those that are read again. */
function findMedia(cache: QueryClient, plan: Plan): void {
  if (plan.media.size === 0) return
  const pages = cache.getQueriesData<Pages<Message>>({ queryKey: ['messages'] }).flatMap(([, found]) => found?.pages ?? [])
  for (const message of pages.flatMap((page) => page.data)) {
    const file = message.image ?? message.video ?? message.audio ?? message.document ?? message.sticker ?? message.text?.preview?.picture
    if (file && plan.media.has(file.id) && !plan.messages.has(message.id)) plan.changed.set(message.id, message.chat_id)
  }
}

function isShown(cache: QueryClient, chatId: string, id: string): boolean {
  if (cache.getQueryData(keys.message(id))) return true
  const pages = cache.getQueryData<Pages<Message>>(keys.messages(chatId))
  return pages?.pages.some((page) => page.data.some((message) => message.id === id)) ?? false
}

async function readChats(cache: QueryClient, plan: Plan): Promise<void> {
  if (plan.chats.size > WIDE_BURST) {
    await Promise.all([
      cache.invalidateQueries({ queryKey: keys.chatLists }),
      cache.invalidateQueries({ queryKey: ['chat'] })
    ])
    return
  }
  if (plan.chats.size > 0) await quiet(cache, keys.chatLists)
  await Promise.all(
    [...plan.chats].map(async (id) => {
      const chat = await getChat(id).catch(() => null)
      if (chat) putChat(cache, chat)
      else void cache.invalidateQueries({ queryKey: keys.chatLists })
    })
  )
}

export function dropMessage(cache: QueryClient, chatId: string, id: string): void {
  cache.setQueryData<Pages<Message>>(keys.messages(chatId), (pages) => pages && removeMessage(pages, id))
  cache.removeQueries({ queryKey: keys.message(id) })
}

/** Shows a message as it is now, wherever it is shown; it is not put where it is not. */
export function renewMessage(cache: QueryClient, message: Message): void {
  const next = upToDate(message)
  cache.setQueryData<Pages<Message>>(keys.messages(next.chat_id), (pages) => pages && replaceMessages(pages, [next]))
  cache.setQueryData<Message>(keys.message(next.id), next)
}

export function putMessages(cache: QueryClient, chatId: string, read: readonly Message[]): void {
  const messages = read.map(upToDate)
  cache.setQueryData<Pages<Message>>(keys.messages(chatId), (pages) => pages && upsertMessages(pages, messages))
  for (const message of messages) cache.setQueryData<Message>(keys.message(message.id), message)
}

export function putChat(cache: QueryClient, chat: Chat): void {
  cache.setQueryData<Chat>(keys.chat(chat.id), chat)
  for (const [key, pages] of cache.getQueriesData<Pages<Chat>>({ queryKey: keys.chatLists })) {
    if (pages) cache.setQueryData(key, upsertChat(pages, chat, key[1] as ChatFilters))
  }
}
