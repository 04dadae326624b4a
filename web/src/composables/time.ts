/** Pure formatting of instants in the workspace's time zone and the reader's language. */

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

export interface TimeOptions {
  locale: string
  timeZone: string
}

const formats = new Map<string, Intl.DateTimeFormat>()

function format(options: TimeOptions, style: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${options.locale}|${options.timeZone}|${JSON.stringify(style)}`
  let made = formats.get(key)
  if (!made) {
    made = new Intl.DateTimeFormat(options.locale, { ...style, timeZone: options.timeZone })
    formats.set(key, made)
  }
  return made
}

/** The calendar day of an instant in the zone, as `YYYY-MM-DD`. */
export function dayKey(instant: Date, timeZone: string): string {
  return format({ locale: 'en-CA', timeZone }, { year: 'numeric', month: '2-digit', day: '2-digit' }).format(instant)
}

/** Calendar days between two instants in the zone; 0 for the same day, 1 for yesterday. */
export function daysBetween(earlier: Date, later: Date, timeZone: string): number {
  return Math.round((Date.parse(dayKey(later, timeZone)) - Date.parse(dayKey(earlier, timeZone))) / DAY)
}

export function clock(instant: Date, options: TimeOptions): string {
  return format(options, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(instant)
}

export function exact(instant: Date, options: TimeOptions): string {
  return format(options, { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' }).format(instant)
}

export function shortDate(instant: Date, options: TimeOptions): string {
  return format(options, { dateStyle: 'medium' }).format(instant)
}

/** For lists: the time today, "yesterday", the weekday within a week, else the date. */
export function listTime(instant: Date, now: Date, options: TimeOptions, yesterday: string): string {
  const days = daysBetween(instant, now, options.timeZone)
  if (days <= 0) return clock(instant, options)
  if (days === 1) return yesterday
  if (days < 7) return format(options, { weekday: 'short' }).format(instant)
  const sameYear = dayKey(instant, options.timeZone).slice(0, 4) === dayKey(now, options.timeZone).slice(0, 4)
  return format(options, sameYear ? { day: 'numeric', month: 'short' } : { dateStyle: 'short' }).format(instant)
}

/** For separators between days: "today", "yesterday", the weekday within a week, else the full date. */
export function dayLabel(instant: Date, now: Date, options: TimeOptions, words: { today: string; yesterday: string }) {
  const days = daysBetween(instant, now, options.timeZone)
  if (days <= 0) return words.today
  if (days === 1) return words.yesterday
  if (days < 7) return format(options, { weekday: 'long' }).format(instant)
  return format(options, { weekday: 'short', day: 'numeric', month: 'long', year: 'numeric' }).format(instant)
}

/** "3 minutes ago", "in 2 days"; below a minute `justNow`. */
export function relative(instant: Date, now: Date, locale: string, justNow: string): string {
  const difference = instant.getTime() - now.getTime()
  const size = Math.abs(difference)
  const words = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })
  if (size < MINUTE) return justNow
  if (size < HOUR) return words.format(Math.trunc(difference / MINUTE), 'minute')
  if (size < DAY) return words.format(Math.trunc(difference / HOUR), 'hour')
  return words.format(Math.trunc(difference / DAY), 'day')
}

/** Whole seconds until an instant, never below 0. */
export function secondsLeft(until: string, now: number): number {
  return Math.max(0, Math.ceil((Date.parse(until) - now) / 1000))
}
