/** How figures of the cluster are written. */
import type { ClusterInstance } from '@/api/types'

export type Tone = 'success' | 'warning' | 'error' | 'info' | 'neutral'

/** What an instance's state means for people; one that is silent is not believed to be healthy. */
export function shownState(instance: ClusterInstance, drift: number, lease: number): string {
  const running = instance.state === 'healthy' || instance.state === 'draining'
  if (running && instance.heartbeat_age_s + drift > lease) return 'silent'
  if (instance.state === 'healthy' && instance.at_capacity) return 'at_capacity'
  return instance.state
}

export const STATE_TONES: Record<string, Tone> = {
  healthy: 'success',
  at_capacity: 'warning',
  draining: 'info',
  silent: 'warning',
  stopped: 'neutral',
  dead: 'error'
}

/** Bytes in words of at most four characters and a unit. */
export function bytes(value: number, locale: string): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte']
  let size = value
  let unit = 0
  while (size >= 1_000 && unit < units.length - 1) {
    size /= 1_000
    unit += 1
  }
  return new Intl.NumberFormat(locale, {
    style: 'unit',
    unit: units[unit] ?? 'byte',
    unitDisplay: 'short',
    maximumFractionDigits: size < 10 && unit > 0 ? 1 : 0
  }).format(size)
}

export const percent = (share: number, locale: string): string =>
  new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 }).format(share)

/** Seconds with one decimal below ten: what a person can compare with "each away for less than 5 s". */
export const seconds = (value: number, locale: string): string =>
  new Intl.NumberFormat(locale, {
    style: 'unit',
    unit: 'second',
    unitDisplay: 'narrow',
    maximumFractionDigits: value < 10 ? 1 : 0
  }).format(value)

/** Money without cents from a hundred on. */
export const money = (value: number, currency: string, locale: string): string =>
  new Intl.NumberFormat(locale, { style: 'currency', currency, maximumFractionDigits: value < 100 ? 2 : 0 }).format(value)
