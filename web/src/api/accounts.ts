/** WhatsApp numbers: reading them, linking them and ending their session. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed, type MaybeRefOrGetter, toValue } from 'vue'

import { client, unwrap } from './client'
import { ApiError } from './errors'
import { keys } from './keys'
import type { Account, PairingCode, Passkey, PasskeyCredential, Qr } from './types'

const at = (account_id: string) => ({ params: { path: { account_id } } })

export const listAccounts = async (): Promise<Account[]> =>
  (await unwrap(client.GET('/api/v1/accounts', { params: { query: { limit: 200 } } }))).data
export const getAccount = (id: string): Promise<Account> => unwrap(client.GET('/api/v1/accounts/{account_id}', at(id)))
export const createAccount = (name?: string): Promise<Account> =>
  unwrap(client.POST('/api/v1/accounts', { body: name ? { name } : {} }))
export const updateAccount = (id: string, body: { name?: string; is_primary?: boolean }): Promise<Account> =>
  unwrap(client.PATCH('/api/v1/accounts/{account_id}', { ...at(id), body }))
export const deleteAccount = (id: string) => unwrap(client.DELETE('/api/v1/accounts/{account_id}', at(id)))
export const connectAccount = (id: string) => unwrap(client.POST('/api/v1/accounts/{account_id}/connect', at(id)))
export const disconnectAccount = (id: string) =>
  unwrap(client.POST('/api/v1/accounts/{account_id}/disconnect', at(id)))
export const logoutAccount = (id: string) => unwrap(client.POST('/api/v1/accounts/{account_id}/logout', at(id)))
export const requestPairingCode = (id: string, phone: string): Promise<PairingCode> =>
  unwrap(client.POST('/api/v1/accounts/{account_id}/pairing-code', { ...at(id), body: { phone } }))

/** The code to scan now, or null when none is shown at this moment. */
export async function getQr(id: string): Promise<Qr | null> {
  try {
    return await unwrap(client.GET('/api/v1/accounts/{account_id}/qr', at(id)))
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null
    throw error
  }
}

/** What WhatsApp waits for before it links with a passkey, or null when it waits for nothing. */
export async function getPasskey(id: string): Promise<Passkey | null> {
  try {
    return await unwrap(client.GET('/api/v1/accounts/{account_id}/passkey', at(id)))
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null
    throw error
  }
}
/** Hand an authenticator's answer over; the server checks its shape. */
export const answerPasskey = (id: string, credential: unknown) =>
  unwrap(client.POST('/api/v1/accounts/{account_id}/passkey', { ...at(id), body: { credential: credential as PasskeyCredential } }))
export const confirmPasskey = (id: string) =>
  unwrap(client.POST('/api/v1/accounts/{account_id}/passkey/confirm', at(id)))
export const putCalls = (id: string, body: { reject: boolean; reply: string | null }) =>
  unwrap(client.PUT('/api/v1/accounts/{account_id}/calls', { ...at(id), body }))

/** A status is a claim with an expiry: once it has passed unrenewed, nobody knows, whatever was cached. */
export function honestStatus(account: Account, now: number): Account['status'] {
  const expires = account.status_expires_at ? Date.parse(account.status_expires_at) : null
  if (account.status !== 'unknown' && expires !== null && expires + CLAIM_GRACE_MS < now) return 'unknown'
  return account.status
}

// The claim is renewed before it ends; the grace covers the way from the server's clock to the screen.
const CLAIM_GRACE_MS = 15_000
/** How often the list is read again so that renewed claims stay renewed on the screen. */
const CLAIM_REFRESH_MS = 20_000

export function useAccounts() {
  const query = useQuery({ queryKey: keys.accounts, queryFn: listAccounts, refetchInterval: CLAIM_REFRESH_MS })
  const byId = computed(() => new Map((query.data.value ?? []).map((account) => [account.id, account])))
  return { ...query, byId }
}

export function useAccount(id: MaybeRefOrGetter<string>) {
  return useQuery({
    queryKey: computed(() => keys.account(toValue(id))),
    queryFn: () => getAccount(toValue(id)),
    refetchInterval: CLAIM_REFRESH_MS
  })
}

/** A mutation on one account that refreshes what is cached of it, whether it succeeded or not. */
export function useAccountAction<A>(action: (input: A) => Promise<unknown>, id: MaybeRefOrGetter<string>) {
  const cache = useQueryClient()
  return useMutation({
    mutationFn: action,
    onSettled: async () => {
      await Promise.all([
        cache.invalidateQueries({ queryKey: keys.accounts }),
        cache.invalidateQueries({ queryKey: keys.account(toValue(id)) })
      ])
    }
  })
}
