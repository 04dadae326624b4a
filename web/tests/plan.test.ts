/** The event stream's reducer: bursts become the fewest reads, and states never go backwards. */
import { describe, expect, it } from 'vitest'

import { advance, planEvents } from '@/api/stream/plan'

import { event } from './samples'

describe('a burst of events', () => {
  it('keeps only the newest state of a message', () => {
    const status = (position: number, state: string) =>
      event(position, 'message.status', { message_id: 'm1', chat_id: 'c1', state })
    const plan = planEvents([status(1, 'sent'), status(2, 'read'), status(3, 'delivered')])
    expect([...plan.statuses]).toEqual([['m1', { chatId: 'c1', state: 'read', error: null }]])
    expect(plan.messages.size).toBe(0)
  })

  it('keeps how many members a message in a group has reached', () => {
    const receipts = { recipients: 7, delivered: 7, read: 3, played: 0 }
    const plan = planEvents([
      event(1, 'message.status', { message_id: 'm1', chat_id: 'c1', state: 'delivered', receipts }),
      event(2, 'message.status', { message_id: 'm1', chat_id: 'c1', state: 'sent' })
    ])
    expect(plan.statuses.get('m1')).toEqual({ chatId: 'c1', state: 'delivered', error: null, receipts })
  })

  it('reads a group and its chat again when the group changes', () => {
    const plan = planEvents([event(1, 'group.participants', { group_id: 'g1', chat_id: 'g1', joined: ['1@lid'] })])
    expect([[...plan.groups], [...plan.chats]]).toEqual([['g1'], ['g1']])
  })

  it('reads each new message and each chat once', () => {
    const plan = planEvents([
      event(1, 'message.received', { message_id: 'm1', chat_id: 'c1', contact_id: 'p1' }),
      event(2, 'message.sent', { message_id: 'm2', chat_id: 'c1', state: 'pending' }),
      event(3, 'chat.updated', { chat_id: 'c1', unread_count: 1 })
    ])
    expect([...plan.messages.keys()]).toEqual(['m1', 'm2'])
    expect([...plan.chats]).toEqual(['c1'])
    expect([...plan.inbound]).toEqual(['m1'])
  })

  it('reads chats again that history has come into, without announcing anything', () => {
    const plan = planEvents([{ ...event(1, 'history.progress', { chat_ids: ['c1', 'c2'], messages: 40 }), account_id: 'a1' }])
    expect([[...plan.chats], [...plan.refilled], [...plan.imports]]).toEqual([['c1', 'c2'], ['c1', 'c2'], ['a1']])
    expect(plan.messages.size).toBe(0)
  })

  it('reads a changed message again, and its chat only when the list may show it', () => {
    const plan = planEvents([
      event(1, 'message.reaction', { message_id: 'm1', chat_id: 'c1', emoji: '👍' }),
      event(2, 'message.edited', { message_id: 'm2', chat_id: 'c2' }),
      event(3, 'message.received', { message_id: 'm3', chat_id: 'c3' }),
      event(4, 'message.deleted', { message_id: 'm3', chat_id: 'c3' }),
      event(5, 'message.updated', { message_id: 'm4', chat_id: 'c4', poll_vote: { from_me: false } })
    ])
    expect([...plan.changed]).toEqual([['m1', 'c1'], ['m2', 'c2'], ['m4', 'c4']])
    expect([...plan.messages.keys()]).toEqual(['m3'])
    expect([...plan.chats]).toEqual(['c2', 'c3', 'c4'])
    expect([...plan.pins]).toEqual(['c2', 'c3'])
  })

  it('finds the number of a session event in its data or beside it', () => {
    const beside = { ...event(1, 'session.connected', { status: 'connected' }), account_id: 'a1' }
    const plan = planEvents([beside, event(2, 'session.failed', { account_id: 'a2', status: 'failed' })])
    expect([...plan.accounts]).toEqual(['a1', 'a2'])
    expect(plan.accountListChanged).toBe(true)
  })

  it('ignores what it does not understand', () => {
    const plan = planEvents([
      event(1, 'message.status', { message_id: 'm1', chat_id: 'c1', state: 'evaporated' }),
      event(2, 'something.new', { chat_id: 'c1' }),
      event(3, 'message.received', {})
    ])
    expect(plan.statuses.size + plan.messages.size + plan.chats.size).toBe(0)
  })
})

describe('the state of a message', () => {
  it('never goes back', () => {
    expect(advance('read', 'delivered')).toBe('read')
    expect(advance('sent', 'pending')).toBe('sent')
    expect(advance('sent', 'delivered')).toBe('delivered')
  })

  it('fails only while it is pending, and may leave a failure by a retry', () => {
    expect(advance('pending', 'failed')).toBe('failed')
    expect(advance('delivered', 'failed')).toBe('delivered')
    expect(advance('failed', 'pending')).toBe('pending')
    expect(advance('failed', 'sent')).toBe('sent')
  })
})
