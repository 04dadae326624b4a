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

/** What to call a contact: the name given here, else the one on the phone, else the number. */
export function contactName(contact: Pick<Contact, 'name' | 'push_name' | 'phone'>): string {
  return contact.name || contact.push_name || contact.phone || ''
}
