/** Sign-in, first set-up, invitations and the person who is signed in. */
import { client, unwrap } from './client'
import type { AuthStatus, InvitationLookup, Me } from './types'

export interface SetupFields {
  code: string
  name: string
  email: string
  password: string
  workspace_name: string
}

export const getAuthStatus = (): Promise<AuthStatus> => unwrap(client.GET('/api/v1/auth/status'))
export const getMe = (): Promise<Me> => unwrap(client.GET('/api/v1/me'))
export const updateMe = (name: string) => unwrap(client.PATCH('/api/v1/me', { body: { name } }))
export const setup = (body: SetupFields) => unwrap(client.POST('/api/v1/auth/setup', { body }))
export const login = (email: string, password: string) =>
  unwrap(client.POST('/api/v1/auth/login', { body: { email, password } }))
export const loginWithLink = (token: string) => unwrap(client.POST('/api/v1/auth/login-link', { body: { token } }))
export const logout = () => unwrap(client.POST('/api/v1/auth/logout'))
export const changePassword = (current_password: string, new_password: string) =>
  unwrap(client.POST('/api/v1/auth/password', { body: { current_password, new_password } }))

export const lookupInvitation = (token: string): Promise<InvitationLookup> =>
  unwrap(client.GET('/api/v1/invitations/lookup', { params: { query: { token } } }))
export const acceptInvitation = (token: string, name?: string, password?: string) =>
  unwrap(client.POST('/api/v1/invitations/accept', { body: { token, name, password } }))
