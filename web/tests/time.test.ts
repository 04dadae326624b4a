/** Times are told in the workspace's zone, whatever the browser's zone is. */
import { describe, expect, it } from 'vitest'

import { clock, dayKey, dayLabel, daysBetween, listTime, relative, secondsLeft } from '@/composables/time'

const JAKARTA = { locale: 'en', timeZone: 'Asia/Jakarta' }
const NOW = new Date('2026-11-23T10:00:00Z')
const ago = (hours: number) => new Date(NOW.getTime() - hours * 3_600_000)

describe('a time in a list', () => {
  it('is the clock today, the weekday this week, else the date', () => {
    expect(listTime(ago(2), NOW, JAKARTA, 'Yesterday')).toBe('15:00')
    expect(listTime(ago(20), NOW, JAKARTA, 'Yesterday')).toBe('Yesterday')
    expect(listTime(ago(24 * 3), NOW, JAKARTA, 'Yesterday')).toBe('Fri')
    expect(listTime(ago(24 * 40), NOW, JAKARTA, 'Yesterday')).toBe('Oct 14')
    expect(listTime(ago(24 * 400), NOW, JAKARTA, 'Yesterday')).toBe('10/19/25')
  })

  it('changes its day at midnight of the zone, not of UTC', () => {
    expect(dayKey(new Date('2026-11-22T16:59:59Z'), 'Asia/Jakarta')).toBe('2026-11-22')
    expect(dayKey(new Date('2026-11-22T17:00:00Z'), 'Asia/Jakarta')).toBe('2026-11-23')
    expect(daysBetween(new Date('2026-11-22T16:59:59Z'), NOW, 'Asia/Jakarta')).toBe(1)
  })

  it('counts calendar days over a change of the clocks', () => {
    const before = new Date('2026-03-28T12:00:00Z')
    const after = new Date('2026-03-30T12:00:00Z')
    expect(daysBetween(before, after, 'Europe/Berlin')).toBe(2)
  })
})

describe('a separator between days', () => {
  const words = { today: 'Today', yesterday: 'Yesterday' }
  it('names near days by words and far ones by date', () => {
    expect(dayLabel(ago(1), NOW, JAKARTA, words)).toBe('Today')
    expect(dayLabel(ago(24), NOW, JAKARTA, words)).toBe('Yesterday')
    expect(dayLabel(ago(24 * 4), NOW, JAKARTA, words)).toBe('Thursday')
    expect(dayLabel(ago(24 * 60), NOW, JAKARTA, words)).toBe('Thu, September 24, 2026')
  })
})

describe('other times', () => {
  it('are relative in the reader’s language', () => {
    expect(relative(ago(5), NOW, 'en', 'just now')).toBe('5 hours ago')
    expect(relative(new Date(NOW.getTime() - 20_000), NOW, 'en', 'just now')).toBe('just now')
    expect(relative(ago(3), NOW, 'id', 'baru saja')).toBe('3 jam yang lalu')
    expect(relative(ago(-48), NOW, 'en', 'just now')).toBe('in 2 days')
  })

  it('count down to zero and stop there', () => {
    expect(secondsLeft('2026-11-23T10:00:20Z', NOW.getTime())).toBe(20)
    expect(secondsLeft('2026-11-23T10:00:00.100Z', NOW.getTime())).toBe(1)
    expect(secondsLeft('2026-11-23T09:00:00Z', NOW.getTime())).toBe(0)
  })

  it('show midnight as 00', () => {
    expect(clock(new Date('2026-11-22T17:00:00Z'), JAKARTA)).toBe('00:00')
  })
})
