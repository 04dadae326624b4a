/** Naming people while a text is written. */
import { describe, expect, it } from 'vitest'

import { decodeMentions, encodeMentions, insertMention, matching, mentionNames, typedMention } from '@/features/inbox/mentions'

const ANN = { address: '628110000101@s.whatsapp.net', name: 'Ann' }
const ANNA = { address: '99887766:3@lid', name: 'Anna Maria' }

describe('a mention', () => {
  it('is being typed after an at sign at the beginning of a word', () => {
    expect(typedMention('Hi @An', 6)).toEqual({ start: 3, term: 'An' })
    expect(typedMention('@', 1)).toEqual({ start: 0, term: '' })
    for (const text of ['me@example', 'Hi @ there', 'Hi @a\nb', 'Hi']) expect(typedMention(text, text.length)).toBeNull()
  })

  it('is typed no longer once somebody is chosen, whoever else the name may begin', () => {
    expect(typedMention('Hi @Ann ', 8, [ANN])).toBeNull()
    expect(typedMention('Hi @Ann ', 8, [ANNA])).toEqual({ start: 3, term: 'Ann ' })
    expect(typedMention('@Ann and @A', 11, [ANN])).toEqual({ start: 9, term: 'A' })
  })

  it('finds people by any word of their name', () => {
    expect(matching([ANN, ANNA], 'mar')).toEqual([ANNA])
    expect(matching([ANN, ANNA], '')).toHaveLength(2)
    expect(matching([ANN, ANNA], 'ar')).toEqual([])
  })

  it('is written as a name and sent as digits', () => {
    const next = insertMention('Hi @An, ok', { start: 3, term: 'An' }, 6, ANNA)
    expect(next).toEqual({ text: 'Hi @Anna Maria , ok', caret: 15 })
    expect(encodeMentions('@Ann and @Anna Maria', [ANN, ANNA])).toEqual({
      text: '@628110000101 and @99887766',
      mentions: [ANN.address, ANNA.address]
    })
    expect(encodeMentions('nobody', [ANN])).toEqual({ text: 'nobody', mentions: [] })
  })

  it('is no part of another word', () => {
    for (const text of ['mail me@Ann', '@Annabel']) expect(encodeMentions(text, [ANN])).toEqual({ text, mentions: [] })
    expect(encodeMentions('*@Ann*, @Ann.', [ANN]).text).toBe('*@628110000101*, @628110000101.')
    const odd = { address: '5@lid', name: 'C++ (Bob)' }
    expect(encodeMentions('Hi @C++ (Bob)!', [odd]).text).toBe('Hi @5!')
  })

  it('means the one who was chosen when two have one name', () => {
    const other = { address: '12345678@lid', name: 'Ann' }
    expect(encodeMentions('@Ann', [other, ANN]).mentions).toEqual([other.address])
  })

  it('is shown as the name, and as a number where nobody is known', () => {
    const names = mentionNames(
      [
        { address: ANN.address, name: 'Ann', is_us: false },
        { address: '628119999999@s.whatsapp.net', name: null, is_us: true },
        { address: '628110000999@s.whatsapp.net', name: null, is_us: false }
      ],
      'You'
    )
    const text = '@628110000101, @628119999999, @628110000999 and @12345'
    expect(decodeMentions(text, names)).toBe('@Ann, @You, @+628110000999 and @12345')
  })
})
