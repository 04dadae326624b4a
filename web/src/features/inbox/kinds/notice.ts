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

export function noticeIcon(system: SystemContent): string | null {
  if (system.event === 'call' && system.data?.video === true) return 'i-lucide-video'
  return ICONS[system.event] ?? (system.event.startsWith('group') ? 'i-lucide-users' : null)
}

/** The sentence for a notice; one whose event is not known here is named by its event. */
export function noticeText(system: SystemContent, author: string, words: Words): string {
  const { event, data = {} } = system
  const who = words.nameOf(author)
  if (event === 'call') {
    const status = typeof data.status === 'string' ? data.status : 'missed'
    return words.t(`notices.call.${data.video === true ? 'video' : 'voice'}_${status}`, { who })
  }
  if (event === 'timer') {
    const seconds = typeof data.seconds === 'number' ? data.seconds : 0
    if (seconds <= 0) return words.t('notices.timer_off', { who })
    return words.t('notices.timer', { who, time: duration(seconds, words.t) })
  }
  const key = `notices.${event}`
  const people = Array.isArray(data.participants) ? data.participants.filter((item) => typeof item === 'string').map(words.nameOf).join(', ') : ''
  if (words.te(key)) return words.t(key, { ...data, who, people })
  return words.t('notices.other', { event: event.replace(/[._]/g, ' ') })
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
