/** Workspaces, their people, invitations and API keys. */
import { client, unwrap } from './client'
import type { ApiKey, ApiKeyCreated, Invitation, Member, Role, Workspace } from './types'

export const createWorkspace = (name: string): Promise<Workspace> =>
  unwrap(client.POST('/api/v1/workspaces', { body: { name } }))
export const updateWorkspace = (workspace_id: string, body: { name?: string; timezone?: string; settings?: Partial<Workspace['settings']> }): Promise<Workspace> =>
  unwrap(client.PATCH('/api/v1/workspaces/{workspace_id}', { params: { path: { workspace_id } }, body }))

export const listMembers = async (): Promise<Member[]> =>
  (await unwrap(client.GET('/api/v1/members', { params: { query: { limit: 200 } } }))).data
export const updateMember = (user_id: string, body: { role?: Role; state?: Member['state'] }) =>
  unwrap(client.PATCH('/api/v1/members/{user_id}', { params: { path: { user_id } }, body }))
export const removeMember = (user_id: string) =>
  unwrap(client.DELETE('/api/v1/members/{user_id}', { params: { path: { user_id } } }))

export const listInvitations = async (): Promise<Invitation[]> =>
  (await unwrap(client.GET('/api/v1/invitations', { params: { query: { limit: 200 } } }))).data
export const createInvitation = (email: string, role: Role): Promise<Invitation> =>
  unwrap(client.POST('/api/v1/invitations', { body: { email, role } }))
export const revokeInvitation = (invitation_id: string) =>
  unwrap(client.DELETE('/api/v1/invitations/{invitation_id}', { params: { path: { invitation_id } } }))

export const listApiKeys = async (): Promise<ApiKey[]> =>
  (await unwrap(client.GET('/api/v1/api-keys', { params: { query: { limit: 200 } } }))).data
export const createApiKey = (name: string, scopes: string[], expires_at: string | null): Promise<ApiKeyCreated> =>
  unwrap(client.POST('/api/v1/api-keys', { body: { name, scopes, expires_at } as never }))
export const revokeApiKey = (key_id: string) =>
  unwrap(client.DELETE('/api/v1/api-keys/{key_id}', { params: { path: { key_id } } }))
