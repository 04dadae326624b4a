/** Changes to cached pages: order kept, nothing twice, untouched pages left as they are. */
import { describe, expect, it } from 'vitest'

import { patchLastMessages, patchStatuses, upsertChat, upsertMessages } from '@/api/stream/patch'

import { chat, message, pages } from './samples'

const ALL = { search: '', accountId: null, unread: false }
const at = (minute: number) => `2026-11-23T10:${String(minute).padStart(2, '0')}:00Z`
const ids = (list: { pages: { data: { id: string }[] }[] }) => list.pages.map((page) => page.data.map((item) => item.id))

describe('messages in the cache', () => {
  it('take a new state and leave other pages alone', () => {
    const before = pages([message('m2')], [message('m1', { state: 'sent' })])
    const after = patchStatuses(before, new Map([['m1', { chatId: 'chat-1', state: 'read' as const, error: null }]]))
    expect(after.pages[1]?.data[0]?.state).toBe('read')
    expect(after.pages[0]).toBe(before.pages[0])
  })

  it('take a new count of readers although their state stays', () => {
    const receipts = { recipients: 7, delivered: 7, read: 3, played: 0 }
    const before = pages([message('m1', { state: 'delivered' })])
    const after = patchStatuses(before, new Map([['m1', { chatId: 'chat-1', state: 'delivered' as const, error: null, receipts }]]))
    expect(after.pages[0]?.data[0]).toMatchObject({ state: 'delivered', receipts })
  })

  it('stay the same object when nothing changes', () => {
    const before = pages([message('m1', { state: 'read' })])
    expect(patchStatuses(before, new Map([['m1', { chatId: 'chat-1', state: 'sent' as const, error: null }]]))).toBe(before)
  })

  it('are put in the order of the log and never twice, whatever their own clocks say', () => {
    const before = pages([message('m3', { position: 3, timestamp: at(1) }), message('m1', { position: 1, timestamp: at(2) })])
    const after = upsertMessages(before, [message('m2', { position: 2, timestamp: at(3) }), message('m3', { position: 3, timestamp: at(1) })])
    expect(ids(after)).toEqual([['m3', 'm2', 'm1']])
  })

  it('do not lose a state heard before the message was read', () => {
    const after = upsertMessages(pages([message('m1', { state: 'delivered' })]), [message('m1', { state: 'pending' })])
    expect(after.pages[0]?.data[0]?.state).toBe('delivered')
  })
})

describe('the chat list in the cache', () => {
  const list = pages([chat('a', at(30)), chat('b', at(20))], [chat('c', at(10))])

  it('moves a chat to its place when a message comes', () => {
    expect(ids(upsertChat(list, chat('c', at(40)), ALL))).toEqual([['c', 'a', 'b'], []])
    expect(ids(upsertChat(list, chat('c', at(25)), ALL))).toEqual([['a', 'c', 'b'], []])
  })

  it('changes a chat in place when its time is the same', () => {
    const after = upsertChat(list, chat('b', at(20), { unread_count: 3 }), ALL)
    expect(ids(after)).toEqual([['a', 'b'], ['c']])
    expect(after.pages[0]?.data[1]?.unread_count).toBe(3)
  })

  it('takes in a new chat', () => {
    expect(ids(upsertChat(list, chat('new', at(50)), ALL))).toEqual([['new', 'a', 'b'], ['c']])
  })

  it('keeps to the filters', () => {
    const other = { ...ALL, accountId: 'account-2' }
    expect(upsertChat(list, chat('new', at(50)), other)).toBe(list)
    expect(upsertChat(list, chat('new', at(50)), { ...ALL, unread: true })).toBe(list)
    expect(upsertChat(list, chat('new', at(50)), { ...ALL, search: 'x' })).toBe(list)
  })

  it('does not pull out a chat that is read while it is open', () => {
    const after = upsertChat(list, chat('a', at(30), { unread_count: 0 }), { ...ALL, unread: true })
    expect(ids(after)[0]).toContain('a')
  })

  it('puts pinned chats first and takes archived ones out', () => {
    const pinned = upsertChat(list, chat('c', at(10), { pinned: true }), ALL)
    expect(ids(pinned)).toEqual([['c', 'a', 'b'], []])
    expect(ids(upsertChat(pinned, chat('a', at(50)), ALL))).toEqual([['c', 'a', 'b'], []])
    expect(ids(upsertChat(pinned, chat('c', at(10)), ALL)).flat()).toEqual(['a', 'b', 'c'])
    expect(ids(upsertChat(list, chat('a', at(30), { archived: true }), ALL))).toEqual([['b'], ['c']])
    expect(upsertChat(list, chat('x', at(50)), { ...ALL, archived: true })).toBe(list)
  })

  it('keeps to the label that is looked for', () => {
    const labelled = { labels: [{ id: 'l1', name: 'Paid', colour: 1 }] }
    const wanted = { ...ALL, label: 'l1' }
    expect(ids(upsertChat(list, chat('x', at(50), labelled), wanted))[0]).toContain('x')
    expect(upsertChat(list, chat('x', at(50)), wanted)).toBe(list)
  })

  it('shows the ticks of the last message', () => {
    const last = { id: 'm1', kind: 'text', preview: 'x', direction: 'outbound' as const, state: 'sent' as const, timestamp: at(1) }
    const before = pages([chat('a', at(1), { last_message: last } as never)])
    const after = patchLastMessages(before, new Map([['m1', { chatId: 'a', state: 'read' as const, error: null }]]))
    expect(after.pages[0]?.data[0]?.last_message?.state).toBe('read')
  })
})
