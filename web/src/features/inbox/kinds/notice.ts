/** Notices in a chat in words: which sentence, which icon, and what to fill in. */
import type { SystemContent } from '@/api/content'

export interface Words {
  /** Whether a text exists under this name. */
  te: (key: string) => boolean
  t: (key: string, values: Record<string, unknown>, plural?: number) => string
  nameOf: (address: string) => string
}

const ICONS: Record<string, string> = {
  call: 'i-lucide-phone-missed',
  security_code_changed: 'i-lucide-shield-alert',
  timer: 'i-lucide-timer'
}

const HOUR_S = 3_600
const DAY_S = 86_400

export function noticeIcon({ event, data = {} }: SystemContent): string | null {
  if (event === 'call' && data.video === true) return 'i-lucide-video'
  return ICONS[event] ?? (event.startsWith('group') ? 'i-lucide-users' : null)
}

/** The sentence for a notice; one whose event is not known here is named by its event. `author` is an address. */
export function noticeText({ event, data = {} }: SystemContent, author: string, words: Words): string {
  if (event === 'call') {
    const status = typeof data.status === 'string' ? data.status : 'missed'
    return words.t(`notices.call.${data.video === true ? 'video' : 'voice'}_${status}`, {})
  }
  if (event === 'timer') return timerText(typeof data.seconds === 'number' ? data.seconds : 0, author, words)
  if (event.startsWith('group_')) return groupText(event, data, author, words)
  const key = `notices.${event}`
  return words.te(key) ? words.t(key, data) : other(event, words)
}

const other = (event: string, words: Words): string => words.t('notices.other', { event: event.replace(/[._]/g, ' ') })

function timerText(seconds: number, author: string, words: Words): string {
  const who = words.nameOf(author)
  if (seconds <= 0) return words.t('notices.timer_off', { who })
  return words.t('notices.timer', { who, time: duration(seconds, words.t) })
}

/** What happened in a group, and by whom where that is known. */
function groupText(event: string, data: Record<string, unknown>, author: string, words: Words): string {
  const participants = Array.isArray(data.participants) ? data.participants.filter((item) => typeof item === 'string') : []
  const people = participants.map(words.nameOf).join(', ')
  let key = `notices.${event}`
  if ('on' in data) key += data.on ? '_on' : '_off'
  if (data.by_link === true) key += '_by_link'
  if (!words.te(key)) return other(event, words)
  const text = words.t(key, { ...data, people })
  // Who comes or goes by themselves is named already.
  const byThemselves = participants.length === 1 && participants[0] === author
  return author && !byThemselves ? words.t('notices.by', { text, who: words.nameOf(author) }) : words.t('notices.end', { text })
}

/** A disappearing timer in words: whole days, else hours, else minutes. */
function duration(seconds: number, t: Words['t']): string {
  if (seconds >= DAY_S) return counted('notices.days', seconds / DAY_S, t)
  if (seconds >= HOUR_S) return counted('notices.hours', seconds / HOUR_S, t)
  return counted('notices.minutes', seconds / 60, t)
}

function counted(key: string, amount: number, t: Words['t']): string {
  const count = Math.max(1, Math.round(amount))
  return t(key, { count }, count)
}
