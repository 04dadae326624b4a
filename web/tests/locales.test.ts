/** Both languages say everything, with the same placeholders, and every text the code asks for exists. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

type Tree = { [key: string]: string | Tree }
const root = join(import.meta.dirname, '..', 'src')
// Read as files: the build turns them into compiled messages.
const load = (code: string) => JSON.parse(readFileSync(join(root, 'i18n', 'locales', `${code}.json`), 'utf8')) as Tree

function flatten(tree: Tree, prefix = ''): Map<string, string> {
  const flat = new Map<string, string>()
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === 'string') flat.set(prefix + key, value)
    else for (const [inner, text] of flatten(value, `${prefix}${key}.`)) flat.set(inner, text)
  }
  return flat
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return sources(path)
    return /\.(ts|vue)$/.test(entry.name) && !entry.name.endsWith('.d.ts') ? [readFileSync(path, 'utf8')] : []
  })
}

const en = flatten(load('en'))
const id = flatten(load('id'))
const placeholders = (text: string) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort()

describe('the languages', () => {
  it('have the same texts', () => {
    expect([...id.keys()].sort()).toEqual([...en.keys()].sort())
  })

  it('have the same placeholders', () => {
    const different = [...en].filter(([key, text]) => placeholders(text).join() !== placeholders(id.get(key) ?? '').join())
    expect(different).toEqual([])
  })

  it('have every text that is asked for by name', () => {
    const asked = new Set(sources(root).flatMap((code) => [...code.matchAll(/\bte?\(\s*'([\w.]+)'/g)].map((match) => match[1] ?? '')))
    expect(asked.size).toBeGreaterThan(100)
    expect([...asked].filter((key) => !en.has(key))).toEqual([])
  })
})
