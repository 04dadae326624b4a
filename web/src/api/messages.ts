/** Messages: pages of a conversation, sending with an idempotency key, retrying, and uploading pictures. */
import { useInfiniteQuery, useQuery } from '@tanstack/vue-query'
import { computed, type MaybeRefOrGetter, toValue } from 'vue'

import { client, sessionHeaders, unwrap } from './client'
import { currentWorkspace } from './context'
import { ApiError, fromProblem } from './errors'
import { keys } from './keys'
import type { Media, Message, MessageSend } from './types'

const PAGE_SIZE = 50

export const listMessages = (chat_id: string, cursor: string | null, limit = PAGE_SIZE) =>
  unwrap(
    client.GET('/api/v1/chats/{chat_id}/messages', {
      params: { path: { chat_id }, query: { cursor: cursor ?? undefined, limit } }
    })
  )
export const getMessage = (message_id: string): Promise<Message> =>
  unwrap(client.GET('/api/v1/messages/{message_id}', { params: { path: { message_id } } }))
/** Messages of a chat that are pinned now, newest first. */
export const listPinned = async (chat_id: string): Promise<Message[]> =>
  (await unwrap(client.GET('/api/v1/chats/{chat_id}/pinned', { params: { path: { chat_id } } }))).data
/** Edits, reactions, votes and pins of a message, the latest first, and the text as it was first written. */
export const listChanges = (message_id: string) =>
  unwrap(client.GET('/api/v1/messages/{message_id}/changes', { params: { path: { message_id }, query: { limit: 200 } } }))
export const retryMessage = (message_id: string): Promise<Message> =>
  unwrap(client.POST('/api/v1/messages/{message_id}/retry', { params: { path: { message_id } } }))
export const starMessage = (message_id: string, starred: boolean): Promise<Message> =>
  unwrap(client.POST('/api/v1/messages/{message_id}/star', { params: { path: { message_id } }, body: { starred } }))
/** Has a file fetched that came as history and lies on WhatsApp's media host only. */
export const fetchMedia = (media_id: string) => unwrap(client.POST('/api/v1/media/{media_id}/fetch', { params: { path: { media_id } } }))
/** Two calls with one idempotency key make one message; the second answers with the first's. */
export const sendMessage = (body: MessageSend, idempotencyKey: string): Promise<Message> =>
  unwrap(client.POST('/api/v1/messages', { params: { header: { 'Idempotency-Key': idempotencyKey } }, body }))

/** Uploads one file; `onProgress` gets a share between 0 and 1. */
export function uploadMedia(file: File, onProgress?: (share: number) => void): Promise<Media> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('POST', '/api/v1/media')
    request.responseType = 'json'
    for (const [name, value] of Object.entries(sessionHeaders('POST'))) request.setRequestHeader(name, value)
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress?.(event.loaded / event.total)
    }
    request.onerror = () => reject(new ApiError(0, 'network', 'The upload did not reach the server.'))
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) {
        resolve(request.response as Media)
        return
      }
      const headers = new Headers({ 'X-Request-Id': request.getResponseHeader('X-Request-Id') ?? '' })
      reject(fromProblem(new Response(null, { status: request.status, headers }), request.response))
    }
    const form = new FormData()
    form.append('file', file, file.name)
    request.send(form)
  })
}

function mediaUrl(id: string, part: 'content' | 'thumbnail', form?: string | null): string {
  // An <img> cannot send the workspace header, so the address names it.
  const query = new URLSearchParams()
  const workspace = currentWorkspace()
  if (workspace) query.set('workspace', workspace)
  if (form) query.set('form', form)
  return `/api/v1/media/${id}/${part}${query.size ? `?${query}` : ''}`
}
/** `form`: what was made of the file for a way of sending it, where that is there. */
export const mediaContentUrl = (id: string, form?: string | null): string => mediaUrl(id, 'content', form)
export const mediaThumbnailUrl = (id: string): string => mediaUrl(id, 'thumbnail')

export function useMessages(chatId: MaybeRefOrGetter<string>) {
  return useInfiniteQuery({
    queryKey: computed(() => keys.messages(toValue(chatId))),
    queryFn: ({ pageParam }) => listMessages(toValue(chatId), pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    staleTime: Infinity
  })
}

export function useMessage(id: MaybeRefOrGetter<string | null>) {
  return useQuery({
    queryKey: computed(() => keys.message(toValue(id) ?? '')),
    queryFn: () => getMessage(toValue(id) ?? ''),
    enabled: computed(() => toValue(id) !== null),
    staleTime: Infinity
  })
}

export function useChangesOf(id: MaybeRefOrGetter<string | null>) {
  return useQuery({
    queryKey: computed(() => keys.messageChanges(toValue(id) ?? '')),
    queryFn: () => listChanges(toValue(id) ?? ''),
    enabled: computed(() => toValue(id) !== null)
  })
}

export function usePinned(chatId: MaybeRefOrGetter<string>) {
  return useQuery({
    queryKey: computed(() => keys.pinned(toValue(chatId))),
    queryFn: () => listPinned(toValue(chatId)),
    staleTime: Infinity
  })
}
