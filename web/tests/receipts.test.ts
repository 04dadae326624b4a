/** The way of a message: every step with its time, whatever addresses the person answered under. */
import { describe, expect, it } from 'vitest'

import type { Receipts } from '@/api/types'
import { steps } from '@/features/inbox/receipts'

const entry = (address: string, times: object) => ({ address, contact: null, delivered_at: null, read_at: null, played_at: null, ...times })
const RECEIPTS: Receipts = {
  sent_at: '2026-11-23T10:00:01Z',
  data: [
    entry('1234@lid', { delivered_at: '2026-11-23T10:00:03Z', read_at: '2026-11-23T10:05:00Z' }),
    entry('628110000101@s.whatsapp.net', { delivered_at: '2026-11-23T10:00:02Z' })
  ],
  counts: { recipients: 1, delivered: 1, read: 1, played: 0 }
}

describe('the way of a message', () => {
  it('to one person has the first time of each step that was made', () => {
    expect(steps(RECEIPTS, true)).toEqual([
      ['sent', '2026-11-23T10:00:01Z'],
      ['delivered', '2026-11-23T10:00:02Z'],
      ['read', '2026-11-23T10:05:00Z']
    ])
    expect(steps({ ...RECEIPTS, sent_at: null, data: [] }, true)).toEqual([])
  })

  it('to a group is told by member, and as a whole only that it was sent', () => {
    expect(steps(RECEIPTS, false)).toEqual([['sent', '2026-11-23T10:00:01Z']])
  })
})
