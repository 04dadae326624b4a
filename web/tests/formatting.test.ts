/** WhatsApp's text formatting, links and mentions. */
import { describe, expect, it } from 'vitest'

import { type Inline, loneEmojis, parse, plainText, safeHref } from '@/features/inbox/kinds/formatting'

/** A compact drawing of the tree: `<b>`, `<i>`, `<s>`, `<c>`, `[link]`, `{mention}`. */
function draw(items: readonly Inline[]): string {
  return items
    .map((item) => {
      if ('children' in item) return `<${item.kind[0]}>${draw(item.children)}</>`
      if (item.kind === 'link') return `[${item.text}]`
      if (item.kind === 'mention') return `{${item.name}}`
      return item.kind === 'code' ? `<c>${item.text}</>` : item.text
    })
    .join('')
}
const line = (text: string, mentions = new Map<string, string>()): string => {
  const block = parse(text, mentions)[0]
  return block && block.kind !== 'code' ? draw(block.lines[0] ?? []) : ''
}

describe('marks', () => {
  it('draw bold, italic, strike and code, also inside each other', () => {
    expect(line('*bold* _it_ ~no~ `x_y_z` ```mono```')).toBe('<b>bold</> <i>it</> <s>no</> <c>x_y_z</> <c>mono</>')
    expect(line('*all _of it_ ~now~*')).toBe('<b>all <i>of it</> <s>now</></>')
    expect(line('(*hello*), _yes_!')).toBe('(<b>hello</>), <i>yes</>!')
  })

  it('stay text where they mark nothing', () => {
    for (const text of ['2*3*4', 'snake_case_name', 'a * not bold*', '*open', '**', '5 * 3 = 15', 'a ~ b', '*ends *']) {
      expect(line(text)).toBe(text)
    }
  })

  it('end with their line', () => {
    expect(parse('*a\nb*').map((block) => (block.kind === 'code' ? '' : block.lines.map(draw)))).toEqual([['*a', 'b*']])
  })

  it('take no longer than the text is long', () => {
    const started = performance.now()
    for (const text of ['*a '.repeat(20_000), '`_~*'.repeat(15_000), 'a-'.repeat(30_000), 'a.'.repeat(30_000), '@1'.repeat(30_000)]) parse(text)
    expect(performance.now() - started).toBeLessThan(3_000)
  })
})

describe('blocks', () => {
  it('are quotes, lists and code over several lines', () => {
    const kinds = parse('Dear all\n> said before\n- one\n- *two*\n3. three\n4. four\nend\n```\nlet a = *b*\n  c\n```\nbye')
    expect(kinds.map((block) => block.kind)).toEqual(['lines', 'quote', 'list', 'list', 'lines', 'code', 'lines'])
    expect(kinds[2]).toMatchObject({ ordered: false })
    expect(kinds[3]).toMatchObject({ ordered: true, start: 3 })
    expect(kinds[5]).toEqual({ kind: 'code', text: 'let a = *b*\n  c' })
  })

  it('keep empty lines', () => {
    expect(parse('a\n\nb')).toMatchObject([{ kind: 'lines', lines: [[{ text: 'a' }], [], [{ text: 'b' }]] }])
  })
})

describe('links', () => {
  it('are web addresses without the punctuation around them', () => {
    expect(line('see https://shop.example/a_b_c?d=*e*.')).toBe('see [https://shop.example/a_b_c?d=*e*].')
    expect(line('(www.example.org/x_(y)) or wa.me/628110000101!')).toBe('([www.example.org/x_(y)]) or [wa.me/628110000101]!')
    expect(line('_https://example.com_')).toBe('<i>[https://example.com]</>')
    expect(line('mail me@example.com, version 1.2.3, e.g. this')).toBe('mail me@[example.com], version 1.2.3, e.g. this')
  })

  it('never run scripts', () => {
    expect(line('javascript://alert(1) data:text/html,x')).toBe('javascript://alert(1) data:text/html,x')
    expect(safeHref('javascript:alert(1)')).toBeNull()
    expect(safeHref('www.example.org')).toBe('https://www.example.org/')
  })
})

describe('mentions', () => {
  it('show names of those who were named, and nobody else', () => {
    expect(line('Hi @628110000101 and @628110000102', new Map([['628110000101', 'Ayu']]))).toBe('Hi {Ayu} and @628110000102')
    expect(plainText('*Hi* @628110000101', new Map([['628110000101', 'Ayu']]))).toBe('Hi @Ayu')
  })
})

describe('a text of emojis alone', () => {
  it('is shown large up to three', () => {
    expect(['👍', '❤️', '👨‍👩‍👧 🇮🇩', '👍🏽👍🏽👍🏽'].map(loneEmojis)).toEqual([1, 1, 2, 3])
    expect(['👍👍👍👍', 'ok 👍', '123', '', '#'].map(loneEmojis)).toEqual([0, 0, 0, 0, 0])
  })
})
