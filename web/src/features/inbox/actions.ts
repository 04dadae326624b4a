/** What may be done with a message: by whose it is, how old it is, and how far it got. */
import type { Message } from '@/api/types'

import { copyable } from './kinds/summary'

export type Action = 'reply' | 'react' | 'copy' | 'forward' | 'edit' | 'pin' | 'unpin' | 'star' | 'unstar' | 'info' | 'retry' | 'delete'

/** WhatsApp takes an edit for 15 minutes. */
export const EDIT_WITHIN_MS = 15 * 60_000
/** WhatsApp deletes for everyone for two days and twelve hours. */
export const DELETE_WITHIN_MS = 60 * 3_600_000

/** Files that may have a caption. */
const CAPTIONED = new Set(['image', 'video', 'document'])
/** Kinds that cannot be handed on. */
const NOT_FORWARDED = new Set(['system', 'unsupported', 'interactive', 'button'])

const age = (message: Message, now: number): number => now - Date.parse(message.timestamp)
const ours = (message: Message): boolean => message.direction === 'outbound'
/** Whether WhatsApp has it, so that others can be told something about it. */
const known = (message: Message): boolean => message.state !== 'pending' && message.state !== 'failed'

export const isPinned = (message: Message, now: number): boolean =>
  Boolean(message.pinned_until) && !message.deleted_at && Date.parse(message.pinned_until ?? '') > now

/** Whether it has a text, or room for a caption, that its phones show anew when it is changed. */
const hasWords = (message: Message): boolean =>
  message.type === 'text' || (CAPTIONED.has(message.type) && !message.video?.note && !message.view_once)

export const mayEdit = (message: Message, now: number): boolean =>
  ours(message) && known(message) && !message.deleted_at && hasWords(message) && age(message, now) < EDIT_WITHIN_MS

/** Of others' messages only an admin of their group. */
export const mayDeleteForAll = (message: Message, now: number, admin = false): boolean =>
  (ours(message) || admin) && known(message) && !message.deleted_at && age(message, now) < DELETE_WITHIN_MS

/** What needs no message of ours to the chat. */
const WITHOUT_WRITING = new Set<Action>(['copy', 'forward', 'star', 'unstar', 'info'])

/** The actions for a message, in the order of its menu. `now` in milliseconds since 1970; `readOnly`: of a feed. */
export function actionsFor(message: Message, now: number, readOnly = false): Action[] {
  return allActions(message, now).filter((action) => !readOnly || WITHOUT_WRITING.has(action))
}

function allActions(message: Message, now: number): Action[] {
  const here = known(message)
  if (message.deleted_at) return ['info', 'delete']
  const wanted: [Action, boolean][] = [
    ['retry', message.state === 'failed' && ours(message)],
    ['reply', here],
    ['react', here],
    ['copy', copyable(message) !== ''],
    ['forward', here && !NOT_FORWARDED.has(message.type) && !message.view_once],
    ['edit', mayEdit(message, now)],
    ['pin', here && !isPinned(message, now)],
    ['unpin', here && isPinned(message, now)],
    ['star', here && !message.starred_at],
    ['unstar', here && Boolean(message.starred_at)],
    ['info', true],
    ['delete', true]
  ]
  return wanted.filter(([, may]) => may).map(([action]) => action)
}
