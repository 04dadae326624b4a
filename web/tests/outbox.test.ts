/** A message on its way: one key for all attempts, no picture uploaded twice, never drawn beside its stored twin. */
import { describe, expect, it } from 'vitest'

import { ApiError } from '@/api/errors'
import { again, begin, type Draft, failed, textBody, toRequest, unconfirmed } from '@/composables/outbox'

import { message } from './samples'

const NOW = new Date('2026-11-23T10:00:00Z')
const DRAFT: Draft = { chatId: 'c1', to: 'c1', accountId: null, body: textBody('hello'), file: null, replyTo: null }
const picture = new File(['x'], 'x.png', { type: 'image/png' })

describe('an outgoing message', () => {
  it('keeps its key when it is tried again', () => {
    const first = begin(DRAFT, 'key-1', NOW)
    const second = again(failed(first, new ApiError(0, 'network', 'away')))
    expect(second.key).toBe('key-1')
    expect(second.phase).toBe('sending')
    expect(second.error).toBeNull()
  })

  it('says why it failed', () => {
    const item = failed(begin(DRAFT, 'k', NOW), new ApiError(422, 'number_unknown', 'Not on WhatsApp.', 'req-1'))
    expect(item.phase).toBe('failed')
    expect(item.error).toEqual({ code: 'number_unknown', message: 'Not on WhatsApp.', requestId: 'req-1' })
  })

  it('does not upload a picture again that is already there', () => {
    const item = begin({ ...DRAFT, file: picture }, 'k', NOW)
    expect(item.phase).toBe('uploading')
    expect(again({ ...item, mediaId: 'media-1' }).phase).toBe('sending')
    expect(again(item).phase).toBe('uploading')
  })

  it('is a text with what it answers and whom it names', () => {
    const draft = { ...DRAFT, replyTo: 'm1', mentions: ['628110000101@s.whatsapp.net'] }
    expect(toRequest(begin(draft, 'k', NOW))).toEqual({
      to: 'c1',
      client_ref: 'k',
      type: 'text',
      text: { body: 'hello' },
      context: { message_id: 'm1', mentions: ['628110000101@s.whatsapp.net'] }
    })
  })

  it('asks for a preview of the page it links to', () => {
    expect(textBody('see https://beans.example').content).toEqual({ body: 'see https://beans.example', preview_url: true })
    expect(textBody('no link').content).toEqual({ body: 'no link' })
  })

  it('carries the id of its file, and the content of any other kind as it is', () => {
    const body = { type: 'image', content: { caption: 'hello' } }
    expect(toRequest({ ...begin({ ...DRAFT, body, file: picture, accountId: 'a1' }, 'k', NOW), mediaId: 'media-1' })).toEqual({
      to: 'c1',
      client_ref: 'k',
      account_id: 'a1',
      type: 'image',
      image: { id: 'media-1', caption: 'hello' }
    })
    const poll = { question: 'Tea?', options: ['Yes', 'No'], multiple: false }
    expect(toRequest(begin({ ...DRAFT, body: { type: 'poll', content: poll } }, 'k', NOW))).toMatchObject({ type: 'poll', poll })
    const cards = [{ name: { formatted_name: 'Ayu' } }]
    expect(toRequest(begin({ ...DRAFT, body: { type: 'contacts', content: cards } }, 'k', NOW))).toMatchObject({ contacts: cards })
  })

  it('is not drawn once the server has it', () => {
    const mine = begin(DRAFT, 'key-1', NOW)
    const elsewhere = begin({ ...DRAFT, chatId: 'c2' }, 'key-2', NOW)
    expect(unconfirmed([mine, elsewhere], 'c1', [])).toEqual([mine])
    expect(unconfirmed([mine], 'c1', [message('m1', { client_ref: 'key-1' })])).toEqual([])
  })
})
