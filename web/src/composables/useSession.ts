/** Who is signed in, in which workspace, and what the server said about itself. */
import { useQueryClient } from '@tanstack/vue-query'
import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'

import { getAuthStatus, getMe, logout } from '@/api/auth'
import { setCsrfToken, setWorkspace } from '@/api/context'
import { ApiError } from '@/api/errors'
import { readHead } from '@/api/events'
import type { AuthStatus, Me, Workspace } from '@/api/types'

import { useOutbox } from './useOutbox'
import { useStream } from './useStream'

const STORED_WORKSPACE = 'blazz-workspace'

function stored(): string | null {
  try {
    return localStorage.getItem(STORED_WORKSPACE)
  } catch {
    return null
  }
}

function store(id: string): void {
  try {
    localStorage.setItem(STORED_WORKSPACE, id)
  } catch {
    // Private windows may refuse storage; the choice then lasts as long as the page.
  }
}

export const useSession = defineStore('session', () => {
  const cache = useQueryClient()
  const stream = useStream()
  const outbox = useOutbox()
  const status = shallowRef<AuthStatus | null>(null)
  const me = shallowRef<Me | null>(null)
  const workspaceId = ref<string | null>(null)

  const membership = computed(
    () => me.value?.memberships.find((item) => item.workspace.id === workspaceId.value) ?? me.value?.memberships[0] ?? null
  )
  const workspace = computed<Workspace | null>(() => membership.value?.workspace ?? null)
  const role = computed(() => membership.value?.role ?? null)
  const timeZone = computed(() => workspace.value?.timezone || 'UTC')
  const isOwner = computed(() => role.value === 'owner')
  /** Runs this installation: sees and steers the cluster. It gives no right in any workspace. */
  const isPlatformAdmin = computed(() => me.value?.user.platform_admin === true)
  /** Owners and managers look after numbers, people and keys; the server refuses these to agents. */
  const mayManage = computed(() => role.value === 'owner' || role.value === 'manager')

  async function readStatus(): Promise<AuthStatus> {
    status.value = await getAuthStatus()
    return status.value
  }

  /** True when somebody is signed in; reads who, and starts to listen to the workspace's events. */
  async function load(): Promise<boolean> {
    if (me.value) return true
    try {
      await adopt(await getMe())
      return true
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return false
      throw error
    }
  }

  async function adopt(next: Me): Promise<void> {
    me.value = next
    setCsrfToken(next.csrf_token ?? null)
    const wanted = next.memberships.find((item) => item.workspace.id === stored()) ?? next.memberships[0]
    if (wanted) await enter(wanted.workspace.id)
  }

  async function enter(id: string): Promise<void> {
    stream.stop()
    setWorkspace(id)
    // The position is read before anything else is, so that nothing falls between the first read and the stream.
    const head = await readHead()
    cache.clear()
    // Everything drawn hangs on this id: no page keeps what it showed of another workspace.
    workspaceId.value = id
    store(id)
    stream.start(id, head, () => forget())
  }

  async function switchTo(id: string): Promise<void> {
    if (id === workspaceId.value) return
    const before = workspaceId.value
    try {
      await enter(id)
    } catch (error) {
      // Back to where the person was; the failure is told by who asked.
      if (before) await enter(before)
      throw error
    }
  }

  async function reload(): Promise<void> {
    const next = await getMe()
    me.value = next
    setCsrfToken(next.csrf_token ?? null)
  }

  /** Forgets everything about the person; the page that needs them sends to the sign-in. */
  function forget(): void {
    stream.stop()
    me.value = null
    workspaceId.value = null
    setWorkspace(null)
    setCsrfToken(null)
    cache.clear()
  }

  async function signOut(): Promise<void> {
    await logout()
    outbox.reset()
    forget()
  }

  return {
    status, me, workspace, workspaceId, role, isOwner, isPlatformAdmin, mayManage, timeZone, membership,
    readStatus, load, switchTo, reload, forget, signOut
  }
})
