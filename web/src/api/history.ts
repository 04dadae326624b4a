/** The import of a number's past: what its phone hands over after linking. */
import { useQueries, useQuery } from '@tanstack/vue-query'
import { computed, type MaybeRefOrGetter, toValue } from 'vue'

import { client, unwrap } from './client'
import { keys } from './keys'
import type { HistoryImport, OlderState } from './types'

export const getHistory = (account_id: string): Promise<HistoryImport> =>
  unwrap(client.GET('/api/v1/accounts/{account_id}/history', { params: { path: { account_id } } }))

/** Progress is told by events; this is for what a lost connection might have missed. */
const REFRESH_MS = 15_000
const options = (id: string) => ({
  queryKey: keys.numberHistory(id),
  queryFn: () => getHistory(id),
  staleTime: Infinity,
  refetchInterval: (query: { state: { data?: HistoryImport } }) => (query.state.data?.state === 'running' ? REFRESH_MS : (false as const))
})

export function useHistory(id: MaybeRefOrGetter<string>) {
  return useQuery(computed(() => options(toValue(id))))
}

/** Whether the phone owes older messages of a chat. */
export function useOlder(chatId: MaybeRefOrGetter<string>) {
  return useQuery(
    computed(() => {
      const id = toValue(chatId)
      return {
        queryKey: keys.older(id),
        queryFn: () => unwrap(client.GET('/api/v1/chats/{chat_id}/history', { params: { path: { chat_id: id } } })),
        refetchInterval: (query: { state: { data?: OlderState } }) => (['waiting', 'asked'].includes(query.state.data?.state ?? '') ? REFRESH_MS : (false as const))
      }
    })
  )
}

/** The imports of several numbers that are running now, without those that stand still. */
export function useRunningImports(ids: MaybeRefOrGetter<string[]>) {
  const queries = useQueries({ queries: computed(() => toValue(ids).map(options)) })
  return computed(() => queries.value.map((query) => query.data).filter((found) => found?.state === 'running' && !found.still_since && !found.waits_for))
}
