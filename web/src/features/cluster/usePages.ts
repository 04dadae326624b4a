/** A list that is read page by page; what was read stays on the screen while it is read again. */
import { useInfiniteQuery } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'

interface Page<T> {
  data: T[]
  next_cursor?: string | null
}

export function usePages<T>(key: Ref<readonly unknown[]>, read: (cursor: string | null) => Promise<Page<T>>) {
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => read(pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    staleTime: 0
  })
  const rows = computed<T[]>(() => (query.data.value?.pages ?? []).flatMap((page) => page.data))
  return { query, rows }
}
