/** What a person does to a chat: shown at once, and shown as the server has it when it is refused. */
import type { DropdownMenuItem } from '@nuxt/ui'
import { useQueryClient } from '@tanstack/vue-query'
import { useI18n } from 'vue-i18n'

import { changeChat, getChat } from '@/api/chats'
import { useLabels } from '@/api/labels'
import { putChat } from '@/api/stream/apply'
import type { Chat, ChatChange } from '@/api/types'
import { useNotify } from '@/composables/useNotify'

/** The end of a silence without end, as the server gives it. */
const FOREVER = '9999-12-31T00:00:00Z'
const HOUR_MS = 3_600_000

export const isMuted = (chat: Chat): boolean => Boolean(chat.muted_until) && Date.parse(chat.muted_until ?? '') > Date.now()

/** The chat as it will be, for the time until the server has answered. */
export function changed(chat: Chat, body: ChatChange): Chat {
  const next = { ...chat }
  if (body.archived !== undefined) Object.assign(next, { archived: body.archived, pinned: body.archived ? false : chat.pinned })
  if (body.pinned !== undefined) next.pinned = body.pinned
  if (body.muted_until !== undefined) next.muted_until = body.muted_until
  if (body.unread !== undefined) Object.assign(next, { marked_unread: body.unread }, body.unread ? {} : { unread_count: 0 })
  return next
}

export function useChatActions() {
  const cache = useQueryClient()
  const notify = useNotify()
  const labels = useLabels()
  const { t } = useI18n()

  async function change(chat: Chat, body: ChatChange): Promise<void> {
    putChat(cache, changed(chat, body))
    const ok = await notify.attempt(async () => putChat(cache, await changeChat(chat.id, body)))
    if (!ok) putChat(cache, await getChat(chat.id).catch(() => chat))
  }

  const mute = (chat: Chat, hours: number | null) =>
    change(chat, { muted_until: hours === null ? FOREVER : new Date(Date.now() + hours * HOUR_MS).toISOString() })

  function labelItems(chat: Chat): DropdownMenuItem[] {
    const carried = new Set((chat.labels ?? []).map((label) => label.id))
    return (labels.data.value ?? [])
      .filter((label) => label.account_id === chat.account_id)
      .map((label) => ({
        label: label.name,
        type: 'checkbox' as const,
        checked: carried.has(label.id),
        onUpdateChecked: (wanted: boolean) => {
          const next = wanted ? [...carried, label.id] : [...carried].filter((id) => id !== label.id)
          void change(chat, { labels: next })
        }
      }))
  }

  /** The entries of a chat's menu. */
  function menu(chat: Chat): DropdownMenuItem[][] {
    const unread = chat.unread_count > 0 || Boolean(chat.marked_unread)
    const own = labelItems(chat)
    const first: DropdownMenuItem[] = [
      { label: t(chat.pinned ? 'inbox.chat.unpin' : 'inbox.chat.pin'), icon: chat.pinned ? 'i-lucide-pin-off' : 'i-lucide-pin', onSelect: () => void change(chat, { pinned: !chat.pinned }) },
      isMuted(chat)
        ? { label: t('inbox.chat.unmute'), icon: 'i-lucide-bell', onSelect: () => void change(chat, { muted_until: null }) }
        : {
            label: t('inbox.chat.mute'),
            icon: 'i-lucide-bell-off',
            children: [
              { label: t('inbox.chat.mute8h'), onSelect: () => void mute(chat, 8) },
              { label: t('inbox.chat.mute1w'), onSelect: () => void mute(chat, 24 * 7) },
              { label: t('inbox.chat.muteAlways'), onSelect: () => void mute(chat, null) }
            ]
          },
      {
        label: t(unread ? 'inbox.chat.markRead' : 'inbox.chat.markUnread'),
        icon: unread ? 'i-lucide-mail-open' : 'i-lucide-mail',
        onSelect: () => void change(chat, { unread: !unread })
      }
    ]
    const archive: DropdownMenuItem = {
      label: t(chat.archived ? 'inbox.chat.unarchive' : 'inbox.chat.archive'),
      icon: chat.archived ? 'i-lucide-archive-restore' : 'i-lucide-archive',
      onSelect: () => void change(chat, { archived: !chat.archived })
    }
    const labelled: DropdownMenuItem[] = own.length ? [{ label: t('inbox.chat.labels'), icon: 'i-lucide-tags', children: own }] : []
    return [first, [...labelled, archive]]
  }

  return { change, menu }
}
