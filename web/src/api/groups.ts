/** Groups: one with its members, changes to it, invite links, requests to join, and who has read a message. */
import { useQuery } from '@tanstack/vue-query'
import { computed, type MaybeRefOrGetter, toValue } from 'vue'

import { client, unwrap } from './client'
import { keys } from './keys'
import type { GroupChange, GroupDetails, MadeGroup, NewGroup, Outcome } from './types'

export type MemberAction = 'add' | 'remove' | 'promote' | 'demote'

const at = (group_id: string) => ({ params: { path: { group_id } } })

export const getGroup = (id: string): Promise<GroupDetails> => unwrap(client.GET('/api/v1/groups/{group_id}', at(id)))
export const createGroup = (body: NewGroup): Promise<MadeGroup> => unwrap(client.POST('/api/v1/groups', { body }))
export const changeGroup = (id: string, body: GroupChange): Promise<GroupDetails> =>
  unwrap(client.PATCH('/api/v1/groups/{group_id}', { ...at(id), body }))
/** What became of a change, by person. */
export const changeMembers = async (id: string, action: MemberAction, participants: string[], invite = false): Promise<Outcome[]> =>
  (await unwrap(client.POST('/api/v1/groups/{group_id}/participants', { ...at(id), body: { action, participants, send_invitation: invite } }))).data
export const getInvite = async (id: string): Promise<string> => (await unwrap(client.GET('/api/v1/groups/{group_id}/invite', at(id)))).link
export const resetInvite = async (id: string): Promise<string> =>
  (await unwrap(client.POST('/api/v1/groups/{group_id}/invite/reset', at(id)))).link
export const leaveGroup = (id: string) => unwrap(client.POST('/api/v1/groups/{group_id}/leave', at(id)))
export const listRequests = async (id: string) => (await unwrap(client.GET('/api/v1/groups/{group_id}/requests', at(id)))).data
export const answerRequest = async (id: string, action: 'approve' | 'reject', address: string): Promise<Outcome[]> =>
  (await unwrap(client.POST('/api/v1/groups/{group_id}/requests', { ...at(id), body: { action, participants: [address] } }))).data
export const setGroupPicture = (id: string, media_id: string | null) =>
  unwrap(client.PUT('/api/v1/groups/{group_id}/picture', { ...at(id), body: { media_id } }))
export const previewGroup = (account_id: string | undefined, link: string) =>
  unwrap(client.POST('/api/v1/groups/preview', { body: { account_id, link } }))
export const joinGroup = (account_id: string | undefined, link: string) => unwrap(client.POST('/api/v1/groups/join', { body: { account_id, link } }))
/** Joins the group to which a message invites. */
export const acceptInvitation = (message_id: string) => unwrap(client.POST('/api/v1/groups/accept', { body: { message_id } }))
export const listReceipts = (message_id: string) =>
  unwrap(client.GET('/api/v1/messages/{message_id}/receipts', { params: { path: { message_id } } }))

export function useGroup(id: MaybeRefOrGetter<string | null>) {
  return useQuery({
    queryKey: computed(() => keys.group(toValue(id) ?? '')),
    queryFn: () => getGroup(toValue(id) ?? ''),
    enabled: computed(() => toValue(id) !== null)
  })
}

/** People who wait for an admin; asked for only where we are one. */
export function useRequests(id: MaybeRefOrGetter<string>, wanted: MaybeRefOrGetter<boolean>) {
  return useQuery({
    queryKey: computed(() => keys.groupRequests(toValue(id))),
    queryFn: () => listRequests(toValue(id)),
    enabled: computed(() => toValue(wanted))
  })
}

export function useReceipts(id: MaybeRefOrGetter<string | null>) {
  return useQuery({
    queryKey: computed(() => keys.messageReceipts(toValue(id) ?? '')),
    queryFn: () => listReceipts(toValue(id) ?? ''),
    enabled: computed(() => toValue(id) !== null)
  })
}
