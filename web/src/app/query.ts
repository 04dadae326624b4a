/** Settings of the server-state cache: the event stream keeps it fresh, so nothing is read again by habit. */
import { QueryClient } from '@tanstack/vue-query'

import { toApiError } from '@/api/errors'

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        gcTime: 30 * 60_000,
        refetchOnWindowFocus: false,
        refetchOnReconnect: true,
        networkMode: 'always',
        retry: (count, error) => toApiError(error).transient && count < 3,
        retryDelay: (attempt) => Math.min(400 * 2 ** attempt, 5_000)
      },
      mutations: { networkMode: 'always', retry: false }
    }
  })
}
