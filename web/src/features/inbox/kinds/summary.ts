/** A message in one line, for quotes, pinned bars and lists; and what can be copied from it. */
import type { Chat, Message } from '@/api/types'

import { mentionNames } from '../mentions'
import { type Mentions, plainText } from './formatting'

/** What stands before a line that is about a message of this kind. */
export const ICONS: Record<string, string> = {
  image: 'i-lucide-image',
  video: 'i-lucide-video',
  audio: 'i-lucide-mic',
  document: 'i-lucide-file-text',
  sticker: 'i-lucide-sticker',
  location: 'i-lucide-map-pin',
  contacts: 'i-lucide-user-round',
  poll: 'i-lucide-chart-bar-big',
  group_invite: 'i-lucide-users',
  interactive: 'i-lucide-list',
  button: 'i-lucide-mouse-pointer-click',
  deleted: 'i-lucide-ban',
  unsupported: 'i-lucide-file-question-mark'
}

export const captionOf = (message: Message): string =>
  message.image?.caption || message.video?.caption || message.document?.caption || ''

/** The words of a message as they were written; empty when it has none. */
export function wordsOf(message: Message): string {
  if (message.deleted_at) return ''
  const interactive = message.interactive
  return (
    message.text?.body ||
    captionOf(message) ||
    message.button?.text ||
    message.unsupported?.text ||
    interactive?.button_reply?.title ||
    interactive?.list_reply?.title ||
    interactive?.nfm_reply?.body ||
    interactive?.body ||
    interactive?.header ||
    ''
  )
}

/** One line that stands for a message; `kindName` names a kind in the reader's language. */
export function summary(message: Message, kindName: (type: string) => string, mentions?: Mentions): string {
  if (message.deleted_at) return kindName('deleted')
  const words = wordsOf(message)
  if (words) return plainText(words, mentions)
  const place = message.location
  const cards = message.contacts
  return (
    place?.name ||
    cards?.map((card) => card.name.formatted_name).join(', ') ||
    message.poll?.question ||
    message.group_invite?.name ||
    (message.document as { filename?: string | null } | null | undefined)?.filename ||
    kindName(message.type)
  )
}

/** The line that stands for a chat's newest message in lists; its mark stands before it. */
export const previewOf = (last: NonNullable<Chat['last_message']>, kindName: (type: string) => string, you: string): string =>
  plainText(last.preview, mentionNames(last.mentioned, you)) || kindName(last.kind)

/** What "copy" puts on the clipboard; empty when there is nothing to copy. */
export function copyable(message: Message): string {
  const words = wordsOf(message)
  if (words || message.deleted_at) return words
  const place = message.location
  if (place) return [place.name, place.address, `${place.latitude}, ${place.longitude}`].filter(Boolean).join('\n')
  const cards = message.contacts
  if (cards) return cards.flatMap((card) => [card.name.formatted_name, ...(card.phones ?? []).map((phone) => phone.phone ?? '')]).join('\n')
  return message.poll?.question ?? ''
}
