/** Notices in words, in both languages' own texts. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { noticeIcon, noticeText, type Words } from '@/features/inbox/kinds/notice'

const texts = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'src', 'i18n', 'locales', 'en.json'), 'utf8')) as Record<string, unknown>
const find = (key: string): string | undefined => {
  const found = key.split('.').reduce<unknown>((tree, name) => (tree as Record<string, unknown> | undefined)?.[name], texts)
  return typeof found === 'string' ? found : undefined
}
const words: Words = {
  te: (key) => find(key) !== undefined,
  t: (key, values, plural) => {
    const [one, many] = (find(key) ?? key).split(' | ')
    return ((plural === undefined || plural === 1 ? one : many) ?? '').replace(/\{(\w+)\}/g, (_, name: string) => String(values[name]))
  },
  nameOf: (address) => ({ '': 'You', 'a@lid': 'Ayu', 'b@lid': 'Budi' })[address] ?? address
}
const say = (event: string, data: Record<string, unknown> = {}, author = '') => noticeText({ event, data }, author, words)

describe('a notice', () => {
  it('tells of calls', () => {
    expect(say('call', { video: false, status: 'missed' })).toBe('Missed voice call')
    expect(say('call', { video: true, status: 'rejected' })).toBe('Declined video call')
    expect(noticeIcon({ event: 'call', data: { video: true } })).toBe('i-lucide-video')
  })

  it('tells of the timer', () => {
    expect(say('timer', { seconds: 604_800 }, 'a@lid')).toBe('Ayu set messages to disappear after 7 days.')
    expect(say('timer', { seconds: 86_400 })).toBe('You set messages to disappear after 1 day.')
    expect(say('timer', { seconds: 0 }, 'a@lid')).toBe('Ayu turned disappearing messages off.')
  })

  it('tells of a group, with whoever did it', () => {
    expect(say('group_subject', { subject: 'Beans' }, 'a@lid')).toBe('The name of the group is “Beans” now, by Ayu.')
    expect(say('group_joined', { participants: ['b@lid'] }, 'a@lid')).toBe('Budi was added, by Ayu.')
    expect(say('group_joined', { participants: ['b@lid'], by_link: true }, 'b@lid')).toBe('Budi joined by the invite link.')
    expect(say('group_left', { participants: ['b@lid'] }, 'b@lid')).toBe('Budi left.')
    expect(say('group_announcement', { on: true })).toBe('Only admins may write now.')
  })

  it('names what it does not know', () => {
    expect(say('group_painted', { colour: 'red' })).toBe('Notice: group painted')
    expect(say('something.new')).toBe('Notice: something new')
  })
})
