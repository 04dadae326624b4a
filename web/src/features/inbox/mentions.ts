/** Naming people in a text: what is being typed after an `@`, and how a choice is written. */

/** Somebody who can be named. The text carries the address's digits, the message the address. */
export interface Mentionable {
  address: string
  name: string
}

export interface Typed {
  /** Where the `@` stands. */
  start: number
  /** What was typed after it. */
  term: string
}

const LONGEST_TERM = 40

/** The mention that is being typed at the caret; null when there is none. */
export function typedMention(text: string, caret: number): Typed | null {
  const before = text.slice(0, caret)
  const start = before.lastIndexOf('@')
  if (start === -1 || caret - start > LONGEST_TERM) return null
  if (start > 0 && !/[\s(]/.test(before[start - 1] ?? '')) return null
  const term = before.slice(start + 1)
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

/** The text as WhatsApp carries it: names that were chosen become the digits of their addresses. */
export function encodeMentions(text: string, chosen: readonly Mentionable[]): { text: string; mentions: string[] } {
  const mentions: string[] = []
  let encoded = text
  // The longest name first, so that "@Ann" does not take the beginning of "@Anna".
  for (const person of [...chosen].sort((a, b) => b.name.length - a.name.length)) {
    const named = `@${person.name}`
    if (!encoded.includes(named)) continue
    encoded = encoded.replaceAll(named, `@${person.address.split('@')[0]?.split(':')[0] ?? ''}`)
    if (!mentions.includes(person.address)) mentions.push(person.address)
  }
  return { text: encoded, mentions }
}
