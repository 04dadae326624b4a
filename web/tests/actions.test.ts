/** What may be done with a message, and what it looks like once it was done. */
import { describe, expect, it } from 'vitest'

import type { Message } from '@/api/types'
import { actionsFor, DELETE_WITHIN_MS, EDIT_WITHIN_MS, isPinned, mayDeleteForAll, mayEdit } from '@/features/inbox/actions'
import { asDeleted, groupReactions, ourReaction, withReaction, withText, withVote } from '@/features/inbox/changes'
import { ourChoice, share, toggled } from '@/features/inbox/kinds/poll'
import { copyable, summary } from '@/features/inbox/kinds/summary'
import { asMessage } from '@/features/inbox/outgoing'
import { begin } from '@/composables/outbox'

import { message } from './samples'

const SENT = Date.parse('2026-11-23T10:00:00Z')
const AT = '2026-11-23T10:05:00Z'
const ours = (overrides: Partial<Message> = {}) => message('m1', { state: 'delivered', text: { body: 'hello' }, ...overrides })
const FILE = { id: 'f1', mime_type: 'image/jpeg', status: 'completed' as const }
const theirs = (overrides: Partial<Message> = {}) => ours({ direction: 'inbound', state: 'received', ...overrides })

describe('the actions of a message', () => {
  it('are those that its side and age allow', () => {
    expect(actionsFor(ours(), SENT)).toEqual(['reply', 'react', 'copy', 'forward', 'edit', 'pin', 'star', 'info', 'delete'])
    expect(actionsFor(theirs(), SENT)).not.toContain('edit')
    expect(mayEdit(ours(), SENT + EDIT_WITHIN_MS)).toBe(false)
    expect(mayDeleteForAll(ours(), SENT + DELETE_WITHIN_MS - 1)).toBe(true)
    expect(mayDeleteForAll(ours(), SENT + DELETE_WITHIN_MS)).toBe(false)
    expect(mayDeleteForAll(theirs(), SENT)).toBe(false)
  })

  it('let an admin of the group delete what others wrote', () => {
    expect(mayDeleteForAll(theirs(), SENT, true)).toBe(true)
    expect(mayDeleteForAll(theirs(), SENT + DELETE_WITHIN_MS, true)).toBe(false)
    expect(mayDeleteForAll(asDeleted(theirs(), AT), SENT, true)).toBe(false)
  })

  it('of a feed are those that write nothing to it', () => {
    expect(actionsFor(theirs(), SENT, true)).toEqual(['copy', 'forward', 'star', 'info'])
  })

  it('let texts and captions be edited', () => {
    const picture = (overrides: Partial<Message> = {}) => ours({ type: 'image', text: null, ...overrides })
    expect(mayEdit(picture(), SENT)).toBe(true)
    expect(mayEdit(picture({ view_once: true }), SENT)).toBe(false)
    expect(mayEdit(ours({ type: 'video', text: null, video: { ...FILE, note: true } }), SENT)).toBe(false)
    expect(mayEdit(ours({ type: 'audio', text: null }), SENT)).toBe(false)
    expect(mayEdit(ours({ type: 'location', text: null }), SENT)).toBe(false)
  })

  it('wait until WhatsApp has the message', () => {
    expect(actionsFor(ours({ state: 'pending' }), SENT)).toEqual(['copy', 'info', 'delete'])
    expect(actionsFor(ours({ state: 'failed' }), SENT)).toEqual(['retry', 'copy', 'info', 'delete'])
  })

  it('are few once it is deleted', () => {
    expect(actionsFor(asDeleted(ours(), AT), SENT)).toEqual(['info', 'delete'])
    expect(copyable(asDeleted(ours(), AT))).toBe('')
  })

  it('turn pins and stars round', () => {
    const marked = ours({ pinned_until: '2026-11-24T10:00:00Z', starred_at: AT })
    expect(actionsFor(marked, SENT)).toEqual(expect.arrayContaining(['unpin', 'unstar']))
    expect(isPinned(marked, Date.parse('2026-11-24T10:00:00Z'))).toBe(false)
  })

  it('keep what may be seen once from being handed on', () => {
    expect(actionsFor(theirs({ view_once: true }), SENT)).not.toContain('forward')
  })
})

describe('a reaction', () => {
  const reacted = theirs({
    reactions: [
      { emoji: '👍', author: 'a', from_me: false, at: AT },
      { emoji: '❤️', author: 'b', from_me: false, at: AT },
      { emoji: '❤️', author: '', from_me: true, at: AT }
    ]
  })

  it('is one for each person', () => {
    const changed = withReaction(reacted, '👍', AT)
    expect(ourReaction(changed)).toBe('👍')
    expect(groupReactions(changed)).toEqual([
      { emoji: '👍', count: 2, mine: true },
      { emoji: '❤️', count: 1, mine: false }
    ])
    expect(groupReactions(reacted)[0]).toEqual({ emoji: '❤️', count: 2, mine: true })
  })

  it('is taken back by an empty one', () => {
    expect(ourReaction(withReaction(reacted, '', AT))).toBe('')
    expect(withReaction(reacted, '', AT).reactions).toHaveLength(2)
  })
})

describe('an edit', () => {
  it('changes the text and is marked', () => {
    expect(withText(ours(), 'new', [], AT)).toMatchObject({ text: { body: 'new' }, edited_at: AT })
    const picture = withText(ours({ type: 'image', text: null, image: FILE }), 'new', [], AT)
    expect(picture).toMatchObject({ text: null, image: { id: 'f1', caption: 'new' }, edited_at: AT })
  })
})

describe('a poll', () => {
  const option = (name: string, ...authors: string[]) => ({
    name,
    voters: authors.map((author) => ({ author, from_me: author === '', at: AT }))
  })
  const poll = { question: 'When?', options: [option('Mon', 'a', 'b'), option('Tue', 'a')], multiple: true, voters: 2 }
  const asked = theirs({ type: 'poll', text: null, poll } as unknown as Partial<Message>)

  it('counts people, not votes', () => {
    expect(poll.options.map((one) => share(poll, one.voters.length))).toEqual([1, 0.5])
    expect(share({ ...poll, voters: 0 }, 0)).toBe(0)
  })

  it('takes our choice and takes it back', () => {
    const voted = (withVote(asked, ['Tue'], AT) as unknown as { poll: typeof poll }).poll
    expect(voted.voters).toBe(3)
    expect(ourChoice(voted)).toEqual(['Tue'])
    expect(toggled(voted, 'Mon')).toEqual(['Tue', 'Mon'])
    expect(toggled({ ...voted, multiple: false }, 'Mon')).toEqual(['Mon'])
    expect(toggled(voted, 'Tue')).toEqual([])
    const back = (withVote({ ...asked, poll: voted } as unknown as Message, [], AT) as unknown as { poll: typeof poll }).poll
    expect(back).toEqual(poll)
  })

  it('is drawn from its request until it is stored', () => {
    const body = { type: 'poll', content: { question: 'When?', options: ['Mon', 'Tue'], multiple: false } }
    const item = begin({ chatId: 'c', to: 'c', accountId: null, body, file: null, replyTo: null }, 'k', new Date(AT))
    expect(asMessage(item)).toMatchObject({ type: 'poll', state: 'pending', poll: { voters: 0, options: [{ name: 'Mon', voters: [] }, { name: 'Tue' }] } })
  })
})

describe('one line for a message', () => {
  const kindName = (type: string) => `<${type}>`

  it('has no marks, and the kind where there are no words', () => {
    expect(summary(ours({ text: { body: '*Hi* _you_' } }), kindName)).toBe('Hi you')
    expect(summary(ours({ type: 'sticker', text: null }), kindName)).toBe('<sticker>')
    expect(summary(asDeleted(ours(), AT), kindName)).toBe('<deleted>')
    const place = { latitude: -6.2, longitude: 106.8, name: 'Monas' }
    expect(summary(ours({ type: 'location', text: null, location: place } as unknown as Partial<Message>), kindName)).toBe('Monas')
  })
})
