/** What a number shows of itself: profile, presence, privacy. */
import { useQuery } from '@tanstack/vue-query'
import { computed, type MaybeRefOrGetter, toValue } from 'vue'

import { client, unwrap } from './client'
import { keys } from './keys'
import type { NumberPrivacy, NumberPrivacyChange, NumberProfile, NumberProfileChange } from './types'

const at = (account_id: string) => ({ params: { path: { account_id } } })

export const getProfile = (id: string): Promise<NumberProfile> =>
  unwrap(client.GET('/api/v1/accounts/{account_id}/profile', at(id)))
export const changeProfile = (id: string, body: NumberProfileChange): Promise<NumberProfile> =>
  unwrap(client.PATCH('/api/v1/accounts/{account_id}/profile', { ...at(id), body }))
export const refreshProfile = (id: string): Promise<NumberProfile> =>
  unwrap(client.POST('/api/v1/accounts/{account_id}/profile/refresh', at(id)))
export const getPrivacy = (id: string): Promise<NumberPrivacy> =>
  unwrap(client.GET('/api/v1/accounts/{account_id}/privacy', at(id)))
export const changePrivacy = (id: string, body: NumberPrivacyChange): Promise<NumberPrivacy> =>
  unwrap(client.PATCH('/api/v1/accounts/{account_id}/privacy', { ...at(id), body }))

export function useProfile(id: MaybeRefOrGetter<string>) {
  return useQuery({
    queryKey: computed(() => keys.numberProfile(toValue(id))),
    queryFn: () => getProfile(toValue(id))
  })
}

/** Asked from WhatsApp itself, so only for a number that is connected, and only when somebody wants to see it. */
export function usePrivacy(id: MaybeRefOrGetter<string>, wanted: MaybeRefOrGetter<boolean>) {
  return useQuery({
    queryKey: computed(() => keys.numberPrivacy(toValue(id))),
    queryFn: () => getPrivacy(toValue(id)),
    enabled: computed(() => toValue(wanted)),
    retry: false
  })
}
