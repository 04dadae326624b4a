/** Names of the workspace's people by id, for what only carries an id. */
import { useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'

import { keys } from '@/api/keys'
import { listMembers } from '@/api/workspaces'

export function useMemberNames() {
  const query = useQuery({ queryKey: keys.members, queryFn: listMembers, staleTime: 5 * 60_000, retry: false })
  return computed(() => new Map((query.data.value ?? []).map((member) => [member.user.id, member.user.name])))
}
