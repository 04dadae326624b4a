/** Naming people in a text: what is being typed after an `@`, and how a choice is written. */
import type { Mentioned } from '@/api/types'

import { readable, userOf } from './addresses'

/** Somebody who can be named. The text carries the address's digits, the message the address. */
export interface Mentionable {
  address: string
  name: string
  /** What the colour without a picture follows, the same everywhere. */
  seed?: string
  picture?: string | null
}

export interface Typed {
  /** Where the `@` stands. */
  start: number
  /** What was typed after it. */
  term: string
}

const LONGEST_TERM = 40

/** The mention that is being typed at the caret; null when there is none, or when it names one of `chosen` already. */
export function typedMention(text: string, caret: number, chosen: readonly Mentionable[] = []): Typed | null {
  const before = text.slice(0, caret)
  const start = before.lastIndexOf('@')
  if (start === -1 || caret - start > LONGEST_TERM) return null
  if (start > 0 && !/[\s(]/.test(before[start - 1] ?? '')) return null
  const term = before.slice(start + 1)
  if (chosen.some((person) => term.startsWith(`${person.name} `))) return null
  return /[\n@]/.test(term) || term.startsWith(' ') ? null : { start, term }
}

/** People whose name has a word that begins with the term, at most `most`. */
export function matching(people: readonly Mentionable[], term: string, most = 8): Mentionable[] {
  const wanted = term.trim().toLocaleLowerCase()
  return people
    .filter((person) => wanted === '' || ` ${person.name.toLocaleLowerCase()}`.includes(` ${wanted}`))
    .slice(0, most)
}

/** The text with the typed mention replaced by the person's name, and where the caret goes. */
export function insertMention(text: string, typed: Typed, caret: number, person: Mentionable): { text: string; caret: number } {
  const named = `@${person.name} `
  return { text: text.slice(0, typed.start) + named + text.slice(caret).replace(/^ /, ''), caret: typed.start + named.length }
}

/** The text as WhatsApp carries it: names of `people` become the digits of their addresses; of one name, the first. */
export function encodeMentions(text: string, people: readonly Mentionable[]): { text: string; mentions: string[] } {
  const byName = new Map<string, Mentionable>()
  for (const person of people) if (person.name && !byName.has(person.name) && text.includes(`@${person.name}`)) byName.set(person.name, person)
  if (byName.size === 0) return { text, mentions: [] }
  // The longest name first, so that "@Ann" does not take the beginning of "@Anna".
  const names = [...byName.keys()].sort((a, b) => b.length - a.length).map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  const mentions = new Set<string>()
  const encoded = text.replace(new RegExp(`(?<![\\p{L}\\p{N}])@(${names.join('|')})(?![\\p{L}\\p{N}])`, 'gu'), (_whole, name: string) => {
    const { address } = byName.get(name)!
    mentions.add(address)
    return `@${userOf(address)}`
  })
  return { text: encoded, mentions: [...mentions] }
}

/** The text as people read and change it: digits that name somebody become the name. */
export const decodeMentions = (text: string, names: ReadonlyMap<string, string>): string =>
  text.replace(/@(\d{5,20})(?!\d)/g, (whole, digits: string) => (names.has(digits) ? `@${names.get(digits)}` : whole))

/** Names by the digits that stand in the text, for people as the server tells them. */
export const mentionNames = (mentioned: readonly Mentioned[] | undefined, you: string): Map<string, string> =>
  new Map((mentioned ?? []).map(({ address, name, is_us }) => [userOf(address), is_us ? you : name || readable(address)]))
