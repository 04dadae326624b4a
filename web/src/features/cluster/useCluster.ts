/** The cluster as the page shows it: read every two seconds, at once after news, with the platform's log as it grows. */
import { useQuery, useQueryClient } from '@tanstack/vue-query'
import { useNow, useThrottleFn } from '@vueuse/core'
import { computed, onScopeDispose, ref, shallowRef } from 'vue'

import { getCluster, listNewestPlatformEvents } from '@/api/cluster'
import { keys } from '@/api/keys'
import { EventConnection, type StreamState } from '@/api/stream/connection'
import type { PlatformEvent } from '@/api/types'

/** Figures such as memory change with every renewal, which writes no event. */
const REFRESH_MS = 2_000
const NEWS_MS = 500
const FIRST_EVENTS = 100
const KEPT_EVENTS = 500

export function useCluster() {
  const cache = useQueryClient()
  const overview = useQuery({ queryKey: keys.cluster, queryFn: getCluster, refetchInterval: REFRESH_MS, staleTime: 0 })
  const now = useNow({ interval: 1_000 })
  /** Seconds since the figures on the screen were true: every age shown grows by this. */
  const drift = computed(() =>
    overview.dataUpdatedAt.value ? Math.max(0, (now.value.getTime() - overview.dataUpdatedAt.value) / 1_000) : 0
  )
  const refreshed = useThrottleFn(() => cache.invalidateQueries({ queryKey: keys.allCluster }), NEWS_MS, true)

  const state = ref<StreamState>('connecting')
  const fresh = shallowRef<PlatformEvent[]>([])
  const earlier = useQuery({
    queryKey: keys.clusterEvents,
    queryFn: async () => (await listNewestPlatformEvents(FIRST_EVENTS)).data
  })
  const events = computed(() => {
    const byPosition = new Map<number, PlatformEvent>()
    for (const event of [...fresh.value, ...(earlier.data.value ?? [])]) byPosition.set(event.position, event)
    return [...byPosition.values()].sort((a, b) => b.position - a.position)
  })

  let connection: EventConnection | null = null
  let gone = false

  async function listen(): Promise<void> {
    const head = (await listNewestPlatformEvents(1)).head
    if (gone) return
    const base = location.origin.replace(/^http/, 'ws')
    connection = new EventConnection((after) => `${base}/api/v1/admin/cluster/ws?after=${after}`, head, {
      state: (next) => (state.value = next),
      events: (batch) => {
        fresh.value = [...(batch as unknown as PlatformEvent[]), ...fresh.value].slice(0, KEPT_EVENTS)
        void refreshed()
      },
      ephemeral: () => void refreshed(),
      expired: async () => {
        await cache.invalidateQueries({ queryKey: keys.allCluster })
        return (await listNewestPlatformEvents(1)).head
      },
      refused: () => (state.value = 'stopped')
    })
    connection.start()
  }

  // Without the stream the page still reads every two seconds.
  listen().catch(() => (state.value = 'waiting'))
  onScopeDispose(() => {
    gone = true
    connection?.stop()
  })

  return { overview, drift, events, earlier, live: computed(() => state.value === 'live') }
}
