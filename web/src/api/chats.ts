/** Chats: the list with its filters, one chat, marking read and telling that we type. */
import { useInfiniteQuery, useQuery } from '@tanstack/vue-query'
import { computed, type MaybeRefOrGetter, toValue } from 'vue'

import { i18n } from '@/i18n'

import { client, unwrap } from './client'
import { type ChatFilters, keys } from './keys'
import type { Chat, ChatChange } from './types'

/** Whether a chat is a feed (status posts, a channel): one reads it and cannot answer. */
export const isFeed = (chat: Chat | undefined): boolean => chat?.kind === 'status' || chat?.kind === 'channel'

/** What stands for a feed where others have a picture. */
export const feedIcon = (chat: Chat): string | undefined => ({ status: 'i-lucide-circle-dashed', channel: 'i-lucide-radio' } as Record<string, string>)[chat.kind]

/** What a chat is called: the person, the group, or what is published there. */
export function chatName(chat: Chat | undefined): string {
  const own = chat?.contact?.display_name ?? chat?.name
  return own ?? (chat && isFeed(chat) ? i18n.global.t(`inbox.feed.${chat.kind}`) : '')
}

/** The picture of the person, or of the group. */
export const chatPicture = (chat: Chat | undefined): string | null => chat?.contact?.picture_id ?? chat?.picture_id ?? null

const at = (chat_id: string) => ({ params: { path: { chat_id } } })
const PAGE_SIZE = 100

export const listChats = (filters: ChatFilters, cursor: string | null, limit = PAGE_SIZE) =>
  unwrap(
    client.GET('/api/v1/chats', {
      params: {
        query: {
          search: filters.search || undefined,
          account_id: filters.accountId ?? undefined,
          unread: filters.unread || undefined,
          archived: filters.archived || undefined,
          label: filters.label ?? undefined,
          cursor: cursor ?? undefined,
          limit
        }
      }
    })
  )
export const getChat = (id: string): Promise<Chat> => unwrap(client.GET('/api/v1/chats/{chat_id}', at(id)))
/** Archives, pins, mutes, labels a chat or marks it unread; the number's phone follows. */
export const changeChat = (id: string, body: ChatChange): Promise<Chat> => unwrap(client.PATCH('/api/v1/chats/{chat_id}', { ...at(id), body }))
/** Asks the number's phone for messages before the oldest one. They come as history, if the phone is reachable. */
export const askForHistory = (id: string) => unwrap(client.POST('/api/v1/chats/{chat_id}/history', { ...at(id), body: { count: 50 } }))
export const markRead = (id: string) => unwrap(client.POST('/api/v1/chats/{chat_id}/read', at(id)))
export const sendTyping = (id: string, state: 'composing' | 'recording' | 'paused') =>
  unwrap(client.POST('/api/v1/chats/{chat_id}/typing', { ...at(id), body: { state } }))
/** Says that somebody looks at the chat; to be repeated while it is so. */
export const watchChat = (id: string) => unwrap(client.POST('/api/v1/chats/{chat_id}/watch', at(id)))

export function useChatList(filters: MaybeRefOrGetter<ChatFilters>) {
  const query = useInfiniteQuery({
    queryKey: computed(() => keys.chatList(toValue(filters))),
    queryFn: ({ pageParam }) => listChats(toValue(filters), pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: (previous) => previous,
    staleTime: Infinity
  })
  const chats = computed(() => query.data.value?.pages.flatMap((page) => page.data) ?? [])
  return { ...query, chats }
}

export function useChat(id: MaybeRefOrGetter<string | null>) {
  return useQuery({
    queryKey: computed(() => keys.chat(toValue(id) ?? '')),
    queryFn: () => getChat(toValue(id) ?? ''),
    enabled: computed(() => toValue(id) !== null),
    staleTime: Infinity
  })
}
