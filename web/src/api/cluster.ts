/** The cluster, for administrators of the installation: reading it, and what may be done about it. */
import { client, unwrap } from './client'
import type {
  CapacityPlan,
  ClusterAdvice,
  ClusterInstance,
  ClusterOperation,
  ClusterOverview,
  PlanQuery,
  PlatformEvent,
  RebalanceMode,
  RebalancePreview
} from './types'

const PAGE = 50

export const getCluster = (): Promise<ClusterOverview> => unwrap(client.GET('/api/v1/admin/cluster'))
export const getAdvice = (): Promise<ClusterAdvice> => unwrap(client.GET('/api/v1/admin/cluster/advice'))

export const drainInstance = (instance_id: string): Promise<ClusterOperation> =>
  unwrap(client.POST('/api/v1/admin/cluster/instances/{instance_id}/drain', { params: { path: { instance_id } } }))
export const resumeInstance = (instance_id: string): Promise<ClusterInstance> =>
  unwrap(client.POST('/api/v1/admin/cluster/instances/{instance_id}/resume', { params: { path: { instance_id } } }))
export const migrateWorkspace = (workspace_id: string, target_instance_id: string): Promise<ClusterOperation> =>
  unwrap(client.POST('/api/v1/admin/cluster/migrate', { body: { workspace_id, target_instance_id } }))
export const previewRebalance = (mode: RebalanceMode): Promise<RebalancePreview> =>
  unwrap(client.GET('/api/v1/admin/cluster/rebalance/preview', { params: { query: { mode } } }))
export const rebalanceCluster = (mode: RebalanceMode): Promise<ClusterOperation> =>
  unwrap(client.POST('/api/v1/admin/cluster/rebalance', { body: { mode } }))
export const cancelOperation = (operation_id: string): Promise<ClusterOperation> =>
  unwrap(client.POST('/api/v1/admin/cluster/operations/{operation_id}/cancel', { params: { path: { operation_id } } }))

const page = (cursor: string | null) => ({ limit: PAGE, ...(cursor ? { cursor } : {}) })
const on = (instance_id: string | null) => (instance_id ? { instance_id } : {})

export const listWorkspacePlaces = (instance: string | null, cursor: string | null) =>
  unwrap(client.GET('/api/v1/admin/cluster/workspaces', { params: { query: { ...page(cursor), ...on(instance) } } }))
export const listMoves = (instance: string | null, cursor: string | null) =>
  unwrap(client.GET('/api/v1/admin/cluster/moves', { params: { query: { ...page(cursor), ...on(instance) } } }))
export const listOperations = (cursor: string | null) =>
  unwrap(client.GET('/api/v1/admin/cluster/operations', { params: { query: page(cursor) } }))
export const listQueue = (cursor: string | null) =>
  unwrap(client.GET('/api/v1/admin/cluster/queue', { params: { query: page(cursor) } }))

/** The newest platform events, newest first. */
export const listNewestPlatformEvents = async (limit: number): Promise<{ data: PlatformEvent[]; head: number }> =>
  unwrap(client.GET('/api/v1/admin/cluster/events', { params: { query: { limit } } }))

export const getPlan = (query: PlanQuery): Promise<CapacityPlan> =>
  unwrap(client.GET('/api/v1/admin/cluster/plan', { params: { query } }))
