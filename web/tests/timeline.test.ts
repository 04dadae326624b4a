/** The arrangement of a conversation. */
import { describe, expect, it } from 'vitest'

import { begin, textBody } from '@/composables/outbox'
import { firstUnread, pictureBox, timeline } from '@/features/inbox/timeline'

import { message } from './samples'

const day = (instant: string) => instant.slice(0, 10)
const said = (id: string, timestamp: string, direction: 'inbound' | 'outbound') => message(id, { timestamp, direction })

describe('a conversation', () => {
  it('has a separator per day and groups what one side says in a row', () => {
    const rows = timeline(
      [
        said('a', '2026-11-22T10:00:00Z', 'inbound'),
        said('b', '2026-11-22T10:01:00Z', 'inbound'),
        said('c', '2026-11-22T10:02:00Z', 'outbound'),
        said('d', '2026-11-23T10:00:00Z', 'outbound')
      ],
      [],
      day,
      null
    )
    expect(rows.map((row) => (row.kind === 'message' ? `${row.key}${row.first ? '*' : ''}` : row.kind))).toEqual([
      'day', 'a*', 'b', 'c*', 'day', 'd*'
    ])
  })

  it('ends with what is still leaving', () => {
    const item = begin({ chatId: 'c', to: 'c', accountId: null, body: textBody('x'), file: null, replyTo: null }, 'k', new Date('2026-11-23T10:01:00Z'))
    const rows = timeline([said('a', '2026-11-23T10:00:00Z', 'outbound')], [item], day, null)
    expect(rows.at(-1)).toMatchObject({ kind: 'outgoing', key: 'k', first: false })
  })

  it('marks where unread messages begin', () => {
    const newestFirst = [said('d', '2026-11-23T10:03:00Z', 'inbound'), said('c', '2026-11-23T10:02:00Z', 'outbound'), said('b', '2026-11-23T10:01:00Z', 'inbound')]
    const unread = firstUnread(newestFirst, 2)
    expect(unread).toEqual({ firstId: 'b', count: 2 })
    const rows = timeline([...newestFirst].reverse(), [], day, unread)
    expect(rows.map((row) => row.kind)).toEqual(['day', 'unread', 'message', 'message', 'message'])
    expect(firstUnread(newestFirst, 0)).toBeNull()
    expect(firstUnread(newestFirst, 9)).toBeNull()
  })
})

describe('a notice', () => {
  it('interrupts whoever is writing, and is nothing to be read', () => {
    const notice = message('n', { timestamp: '2026-11-23T10:00:30Z', direction: 'inbound', type: 'system' })
    const talk = [said('a', '2026-11-23T10:00:00Z', 'inbound'), notice, said('b', '2026-11-23T10:01:00Z', 'inbound')]
    const rows = timeline(talk, [], day, null)
    expect(rows.map((row) => (row.kind === 'message' ? `${row.key}${row.first ? '*' : ''}` : row.kind))).toEqual(['day', 'a*', 'notice', 'b*'])
    expect(firstUnread([...talk].reverse(), 2)).toEqual({ firstId: 'a', count: 2 })
  })
})

describe('a picture', () => {
  it('keeps its shape within the bubble', () => {
    expect(pictureBox(1600, 900)).toEqual({ width: 320, height: 180 })
    expect(pictureBox(900, 1600)).toEqual({ width: 203, height: 360 })
    expect(pictureBox(null, null)).toEqual({ width: 260, height: 200 })
  })
})
