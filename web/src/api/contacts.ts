/** Contacts: the list with search, one contact, and changes to it. */
import { useInfiniteQuery, useQuery } from '@tanstack/vue-query'
import { computed, type MaybeRefOrGetter, toValue } from 'vue'

import { client, unwrap } from './client'
import { keys } from './keys'
import type { Contact } from './types'

const at = (contact_id: string) => ({ params: { path: { contact_id } } })

export const listContacts = (search: string, cursor: string | null, limit = 100) =>
  unwrap(
    client.GET('/api/v1/contacts', {
      params: { query: { search: search || undefined, cursor: cursor ?? undefined, limit } }
    })
  )
export const getContact = (id: string): Promise<Contact> => unwrap(client.GET('/api/v1/contacts/{contact_id}', at(id)))
export const createContact = (phone: string, name: string | null): Promise<Contact> =>
  unwrap(client.POST('/api/v1/contacts', { body: name ? { phone, name } : { phone } }))
export const updateContact = (id: string, name: string | null): Promise<Contact> =>
  unwrap(client.PATCH('/api/v1/contacts/{contact_id}', { ...at(id), body: { name } }))
export const blockContact = (id: string, account_id: string): Promise<Contact> =>
  unwrap(client.POST('/api/v1/contacts/{contact_id}/block', { params: { path: { contact_id: id }, query: { account_id } } }))
export const unblockContact = (id: string, account_id: string): Promise<Contact> =>
  unwrap(client.POST('/api/v1/contacts/{contact_id}/unblock', { params: { path: { contact_id: id }, query: { account_id } } }))
export const refreshContact = (id: string, account_id: string): Promise<Contact> =>
  unwrap(client.POST('/api/v1/contacts/{contact_id}/refresh', { params: { path: { contact_id: id }, query: { account_id } } }))
export const listContactHistory = (id: string, cursor: string | null) =>
  unwrap(
    client.GET('/api/v1/contacts/{contact_id}/history', {
      params: { path: { contact_id: id }, query: { cursor: cursor ?? undefined, limit: 20 } }
    })
  )
export const deleteContact = (id: string) => unwrap(client.DELETE('/api/v1/contacts/{contact_id}', at(id)))

export function useContactList(search: MaybeRefOrGetter<string>) {
  const query = useInfiniteQuery({
    queryKey: computed(() => keys.contactList(toValue(search))),
    queryFn: ({ pageParam }) => listContacts(toValue(search), pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: (previous) => previous
  })
  const contacts = computed(() => query.data.value?.pages.flatMap((page) => page.data) ?? [])
  return { ...query, contacts }
}

export function useContact(id: MaybeRefOrGetter<string | null>) {
  return useQuery({
    queryKey: computed(() => keys.contact(toValue(id) ?? '')),
    queryFn: () => getContact(toValue(id) ?? ''),
    enabled: computed(() => toValue(id) !== null)
  })
}

/** What was learned about who a contact is, newest first; read only when somebody wants to see it. */
export function useContactHistory(id: MaybeRefOrGetter<string>, wanted: MaybeRefOrGetter<boolean>) {
  const query = useInfiniteQuery({
    queryKey: computed(() => keys.contactHistory(toValue(id))),
    queryFn: ({ pageParam }) => listContactHistory(toValue(id), pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    enabled: computed(() => toValue(wanted))
  })
  const entries = computed(() => query.data.value?.pages.flatMap((page) => page.data) ?? [])
  return { ...query, entries }
}

/** What to call a contact: the first name that there is, else an address. */
export function contactName(contact: Pick<Contact, 'display_name'>): string {
  return contact.display_name
}
