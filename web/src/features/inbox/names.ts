/** Names of the people of a chat by their WhatsApp addresses. */
import { computed, type ComputedRef, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'

import { useAccounts } from '@/api/accounts'
import { chatName } from '@/api/chats'
import { useGroup } from '@/api/groups'
import type { Chat, GroupMember, Message } from '@/api/types'

import { readable, userOf } from './addresses'
import { type Mentionable, mentionNames } from './mentions'

export interface Names {
  /** What to call the owner of an address; an empty one is ours. */
  nameOf: (address: string) => string
  authorOf: (message: Message) => string
  mentionsOf: (message: Message) => ReadonlyMap<string, string>
  /** Who can be named in this chat; in a direct one nobody needs it. */
  people: ComputedRef<Mentionable[]>
  /** Whether our number administers this group. */
  admin: ComputedRef<boolean>
}

export function useNames(chat: Ref<Chat | undefined>): Names {
  const { t } = useI18n()
  const accounts = useAccounts()
  const direct = computed(() => chat.value?.kind !== 'group')
  const ownPhone = computed(() => accounts.byId.value.get(chat.value?.account_id ?? '')?.phone?.replace(/\D/g, ''))

  function nameOf(address: string): string {
    if (!address || userOf(address) === ownPhone.value) return t('inbox.you')
    if (chat.value?.kind === 'status') return readable(address)
    if (direct.value) return chatName(chat.value) || readable(address)
    const member = memberNames.value.get(userOf(address))
    if (member) return member.is_us ? t('inbox.you') : member.display_name
    return readable(address)
  }

  function authorOf(message: Message): string {
    if (message.direction === 'outbound') return t('inbox.you')
    if (message.sender) return message.sender.display_name
    return message.author ? nameOf(message.author) : chatName(chat.value)
  }

  /** A mention may name anybody. The server knows them; of a message on its way, only who is in the chat has a name. */
  function mentionsOf(message: Message): ReadonlyMap<string, string> {
    const told = mentionNames(message.context?.mentioned, t('inbox.you'))
    const others = (message.context?.mentions ?? []).filter((address) => !told.has(userOf(address)) || memberNames.value.has(userOf(address)))
    return new Map([...told, ...others.map((address): [string, string] => [userOf(address), mentionName(address)])])
  }

  function mentionName(address: string): string {
    const contact = chat.value?.contact
    const known = [contact?.phone?.replace(/\D/g, ''), contact?.lid?.split('@')[0]].includes(userOf(address))
    if (userOf(address) === ownPhone.value || known || !direct.value) return nameOf(address)
    return readable(address)
  }

  const group = useGroup(() => (chat.value?.kind === 'group' ? chat.value.id : null))
  const members = computed(() => group.data.value?.members ?? [])
  const memberNames = computed(() => new Map(members.value.flatMap((member) => addressesOf(member).map((address) => [address, member]))))
  const people = computed<Mentionable[]>(() =>
    members.value
      .filter((member) => !member.is_us)
      .map((member) => ({ address: member.address, name: member.display_name, seed: member.contact?.id, picture: member.contact?.picture_id }))
  )

  const admin = computed(() => group.data.value?.state === 'member' && group.data.value.role !== 'member')

  return { nameOf, authorOf, mentionsOf, people, admin }
}

/** The users of both addresses under which a member may be named. */
function addressesOf(member: GroupMember): string[] {
  return [userOf(member.address), ...(member.phone ? [member.phone.replace(/\D/g, '')] : [])]
}
