/** Kinds that are not drawn: a sentence for each, and nothing that is only a name of the protocol. */
import { beforeAll, describe, expect, it } from 'vitest'

import { summary } from '@/features/inbox/kinds/summary'
import { unsupportedText } from '@/features/inbox/kinds/unsupported'
import { i18n, setLanguage } from '@/i18n'

import { message } from './samples'

const text = (kind: string | null): string => unsupportedText(kind, i18n.global.t)

beforeAll(() => setLanguage('en', false))

describe('a kind that is not drawn', () => {
  it.each(['keepInChatMessage', 'encEventResponseMessage', 'groupInviteMessage', 'sendPaymentMessage', 'undecryptable'])('%s has a sentence', (kind) => {
    expect(text(kind)).toMatch(/^[A-Z]\w* \w+/)
    expect(text(kind)).not.toContain('kinds.')
    expect(text(kind)).not.toContain('Message')
  })

  it('is named when it has none', () => {
    expect(text('limitSharingMessage')).toContain('(limit sharing)')
    expect(text('newsletterFollowerInviteMessageV2')).toContain('(newsletter follower invite)')
    expect(text(null)).toBe('A kind of message that cannot be shown here yet')
  })

  it('is quoted by what could be read of it', () => {
    const event = message('m1', { type: 'unsupported', text: null, unsupported: { kind: 'eventMessage', text: 'Tasting' } })
    expect(summary(event, (type) => type)).toBe('Tasting')
  })
})
