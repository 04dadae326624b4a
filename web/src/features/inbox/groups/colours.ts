/** The colour of a member's name: always the same for the same person, readable on a bubble in either theme. */
const COLOURS = [
  'text-emerald-700 dark:text-emerald-300',
  'text-sky-700 dark:text-sky-300',
  'text-amber-800 dark:text-amber-300',
  'text-rose-700 dark:text-rose-300',
  'text-violet-700 dark:text-violet-300',
  'text-teal-700 dark:text-teal-300',
  'text-orange-800 dark:text-orange-300',
  'text-fuchsia-700 dark:text-fuchsia-300'
]

export function colourOf(seed: string): string {
  let hash = 7
  for (const character of seed) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0
  return COLOURS[hash % COLOURS.length] ?? ''
}
