/** Naming people while a text is written. */
import { describe, expect, it } from 'vitest'

import { encodeMentions, insertMention, matching, typedMention } from '@/features/inbox/mentions'

const ANN = { address: '628110000101@s.whatsapp.net', name: 'Ann' }
const ANNA = { address: '99887766:3@lid', name: 'Anna Maria' }

describe('a mention', () => {
  it('is being typed after an at sign at the beginning of a word', () => {
    expect(typedMention('Hi @An', 6)).toEqual({ start: 3, term: 'An' })
    expect(typedMention('@', 1)).toEqual({ start: 0, term: '' })
    for (const text of ['me@example', 'Hi @ there', 'Hi @a\nb', 'Hi']) expect(typedMention(text, text.length)).toBeNull()
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
      mentions: [ANNA.address, ANN.address]
    })
    expect(encodeMentions('nobody', [ANN])).toEqual({ text: 'nobody', mentions: [] })
  })
})
