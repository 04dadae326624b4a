/** Pure arrangement of a conversation: days, groups of one sender, the first unread message, and what is still leaving. */
import type { Message } from '@/api/types'
import type { Outgoing } from '@/composables/outbox'

export type Row =
  | { kind: 'day'; key: string; at: string }
  | { kind: 'unread'; key: string; count: number }
  | { kind: 'message'; key: string; message: Message; first: boolean }
  | { kind: 'notice'; key: string; message: Message }
  | { kind: 'outgoing'; key: string; item: Outgoing; first: boolean }

/** Messages of one side closer than this belong together. */
const GROUP_MS = 5 * 60_000

export interface Unread {
  /** The first message that was unread when the conversation was opened. */
  firstId: string
  count: number
}

/** Who says it: we, or one of those who write to us. A notice interrupts everybody. */
function sideOf(message: Message): string {
  if (message.type === 'system') return 'notice'
  return message.direction === 'outbound' ? 'outbound' : `inbound ${message.author ?? ''}`
}

/** `messages` oldest first; `dayKey` names the calendar day of an instant in the workspace's zone. */
export function timeline(
  messages: readonly Message[],
  outgoing: readonly Outgoing[],
  dayKey: (instant: string) => string,
  unread: Unread | null
): Row[] {
  const rows: Row[] = []
  let day = ''
  let side = ''
  let last = 0
  const open = (id: string, at: string, nextSide: string): boolean => {
    const nextDay = dayKey(at)
    const time = Date.parse(at)
    const newDay = nextDay !== day
    // What waited in a queue may belong to a day that was already left, so a day can come twice.
    if (newDay) rows.push({ kind: 'day', key: `day-${id}`, at })
    const first = newDay || nextSide !== side || time - last > GROUP_MS
    day = nextDay
    side = nextSide
    last = time
    return first
  }
  for (const message of messages) {
    const first = open(message.id, message.timestamp, sideOf(message))
    if (unread?.firstId === message.id) {
      rows.push({ kind: 'unread', key: 'unread', count: unread.count })
    }
    if (message.type === 'system') rows.push({ kind: 'notice', key: message.id, message })
    else rows.push({ kind: 'message', key: message.id, message, first })
  }
  for (const item of outgoing) rows.push({ kind: 'outgoing', key: item.key, item, first: open(item.key, item.createdAt, 'outbound') })
  return rows
}

/** Where the unread messages began when the chat was opened with `count` of them; `messages` newest first. */
export function firstUnread(messages: readonly Message[], count: number): Unread | null {
  if (count <= 0) return null
  let left = count
  for (const message of messages) {
    if (message.direction !== 'inbound' || message.type === 'system') continue
    left -= 1
    if (left === 0) return { firstId: message.id, count }
  }
  return null
}

/** The box of a picture on screen, in CSS pixels, keeping its shape within the bounds. */
export function pictureBox(width: number | null | undefined, height: number | null | undefined) {
  const WIDEST = 320
  const TALLEST = 360
  if (!width || !height) return { width: 260, height: 200 }
  const scale = Math.min(WIDEST / width, TALLEST / height, 1)
  return { width: Math.max(Math.round(width * scale), 120), height: Math.max(Math.round(height * scale), 80) }
}
