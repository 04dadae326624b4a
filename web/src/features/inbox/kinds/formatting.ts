/**
 * WhatsApp's own text formatting, read into a tree that a page can draw without ever touching HTML.
 *
 * Marks work as they do on the phones: `*bold*`, `_italic_`, `~strike~`, `` `code` `` within one line, ``` over
 * several, and lines that begin with `> `, `- `, `* ` or `1. `. Reading takes time proportional to the text.
 */

export type Inline =
  | { kind: 'text' | 'code'; text: string }
  | { kind: 'bold' | 'italic' | 'strike'; children: Inline[] }
  | { kind: 'link'; text: string; href: string }
  | { kind: 'mention'; text: string; name: string }
export type Block =
  | { kind: 'lines' | 'quote'; lines: Inline[][] }
  | { kind: 'list'; ordered: boolean; start: number; lines: Inline[][] }
  | { kind: 'code'; text: string }

/** Names of mentioned people by the digits that stand after the `@`. */
export type Mentions = ReadonlyMap<string, string>

const FENCE = '```'
const MARKS: Record<string, 'bold' | 'italic' | 'strike'> = { '*': 'bold', _: 'italic', '~': 'strike' }
const WORD = /[\p{L}\p{N}]/u
const DEEPEST = 6
const NO_MENTIONS: Mentions = new Map()

export function parse(text: string, mentions: Mentions = NO_MENTIONS): Block[] {
  const blocks: Block[] = []
  const readText = (part: string): void => {
    if (part) blocks.push(...readLines(part.split('\n'), mentions))
  }
  let rest = text
  let from = 0
  for (;;) {
    const open = rest.indexOf(FENCE, from)
    const close = open === -1 ? -1 : rest.indexOf(FENCE, open + FENCE.length)
    if (close === -1) break
    const code = rest.slice(open + FENCE.length, close)
    const after = close + FENCE.length
    // Within one line it is no block of its own, and `readInline` finds it.
    if (!code.includes('\n') || !code.trim()) {
      from = after
      continue
    }
    readText(rest.slice(0, open).replace(/\n$/, ''))
    blocks.push({ kind: 'code', text: code.replace(/^\n|\n$/g, '') })
    rest = rest.slice(after).replace(/^\n/, '')
    from = 0
  }
  readText(rest)
  return blocks
}

interface Line {
  kind: 'lines' | 'quote' | 'bullet' | 'number'
  number: number
  text: string
}

function lineOf(line: string): Line {
  const quote = /^> ?(.*)$/.exec(line)
  if (quote?.[1]) return { kind: 'quote', number: 0, text: quote[1] }
  const bullet = /^[-*•] (.+)$/.exec(line)
  if (bullet?.[1]) return { kind: 'bullet', number: 0, text: bullet[1] }
  const number = /^(\d{1,3})\. (.+)$/.exec(line)
  if (number?.[2]) return { kind: 'number', number: Number(number[1]), text: number[2] }
  return { kind: 'lines', number: 0, text: line }
}

function readLines(lines: readonly string[], mentions: Mentions): Block[] {
  const blocks: Block[] = []
  let before: Line['kind'] | null = null
  for (const raw of lines) {
    const line = lineOf(raw)
    const inline = readInline(line.text, mentions)
    const last = blocks.at(-1)
    if (last && last.kind !== 'code' && line.kind === before) last.lines.push(inline)
    else if (line.kind === 'bullet' || line.kind === 'number') {
      blocks.push({ kind: 'list', ordered: line.kind === 'number', start: line.number, lines: [inline] })
    } else blocks.push({ kind: line.kind, lines: [inline] })
    before = line.kind
  }
  return blocks
}

function readInline(text: string, mentions: Mentions, depth = 0): Inline[] {
  const found: Inline[] = []
  // Marks without a partner from here on; without this a text of many marks would be searched again for each.
  const hopeless = new Set<string>()
  let plain = 0
  let at = 0
  const push = (item: Inline, to: number): void => {
    if (at > plain) found.push(...readLinks(text.slice(plain, at), mentions))
    found.push(item)
    plain = at = to
  }
  while (at < text.length) {
    const mark = text.startsWith(FENCE, at) ? FENCE : (text[at] ?? '')
    if (isLinkStart(text, at)) {
      // Underscores and tildes of an address are no marks.
      at += /^\S+/.exec(text.slice(at))?.[0].length ?? 1
      continue
    }
    const isMark = mark === FENCE || mark === '`' || mark in MARKS
    if (isMark && !hopeless.has(mark) && opens(text, at, mark)) {
      const end = closing(text, at, mark)
      if (end === -1) hopeless.add(mark)
      else {
        const inner = text.slice(at + mark.length, end)
        const kind = MARKS[mark]
        if (!kind) push({ kind: 'code', text: inner }, end + mark.length)
        else if (depth < DEEPEST) push({ kind, children: readInline(inner, mentions, depth + 1) }, end + 1)
        else at = end + 1
        continue
      }
    }
    at += mark.length
  }
  if (plain < text.length) found.push(...readLinks(text.slice(plain), mentions))
  return found
}

const isSpace = (character: string | undefined): boolean => character === undefined || /\s/.test(character)
const isWord = (character: string | undefined): boolean => character !== undefined && WORD.test(character)

function opens(text: string, at: number, mark: string): boolean {
  const next = text[at + mark.length]
  return !isWord(text[at - 1]) && !isSpace(next) && next !== mark[0]
}

/** The place of the mark that closes the one at `at`, or -1. */
function closing(text: string, at: number, mark: string): number {
  for (let end = text.indexOf(mark, at + mark.length + 1); end !== -1; end = text.indexOf(mark, end + 1)) {
    if (!isSpace(text[end - 1]) && !isWord(text[end + mark.length])) return end
  }
  return -1
}

const isLinkStart = (text: string, at: number): boolean => !isWord(text[at - 1]) && /^(https?:\/\/|www\.)/i.test(text.slice(at, at + 8))

const TOKENS = /(?<![\p{L}\p{N}])(?:(https?:\/\/\S+|www\.[^\s.]+\.\S+|(?:[a-z0-9-]{1,63}\.){1,5}(?:com|net|org|io|id|me|co|app|dev|shop|store)(?:\/\S*)?)|@(\d{5,20}))(?![\p{L}\p{N}])/giu

function readLinks(text: string, mentions: Mentions): Inline[] {
  const found: Inline[] = []
  let plain = 0
  for (const match of text.matchAll(TOKENS)) {
    const item = match[1] ? link(match[1]) : mention(match[2] ?? '', mentions)
    if (!item) continue
    if (match.index > plain) found.push({ kind: 'text', text: text.slice(plain, match.index) })
    found.push(item)
    plain = match.index + item.text.length
  }
  if (plain < text.length) found.push({ kind: 'text', text: text.slice(plain) })
  return found
}

function mention(digits: string, mentions: Mentions): Inline & { text: string } | null {
  const name = mentions.get(digits)
  return name ? { kind: 'mention', text: `@${digits}`, name } : null
}

/** A link without the punctuation that follows it in a sentence; null when it is no address after all. */
function link(found: string): Inline & { text: string } | null {
  let text = found.replace(/[.,;:!?'"»”’]+$/u, '')
  // A bracket belongs to the address only when it was opened in it.
  while (text.endsWith(')') && text.split('(').length < text.split(')').length) text = text.slice(0, -1)
  const href = safeHref(text)
  return href ? { kind: 'link', text, href } : null
}

/** The address as it may stand in a link: only web pages; null for anything else. */
export function safeHref(address: string): string | null {
  try {
    const url = new URL(/^https?:\/\//i.test(address) ? address : `https://${address}`)
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : null
  } catch {
    return null
  }
}

const EMOJI_ONLY = /^(?:\p{RI}{2}|\p{Emoji_Presentation}\p{EMod}?|\p{Emoji}\uFE0F\p{EMod}?|\p{Emoji_Modifier_Base}\p{EMod}|\u200D|\uFE0F|\s)+$/u

/** How many emojis a text of nothing else has; 0 for any other text and for more than three. */
export function loneEmojis(text: string): number {
  if (text.length > 48 || !EMOJI_ONLY.test(text)) return 0
  const count = [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text)].filter((part) => part.segment.trim()).length
  return count <= 3 ? count : 0
}

/** The text without its marks, for a line where nothing can be drawn bold. */
export function plainText(text: string, mentions: Mentions = NO_MENTIONS): string {
  const flat = (items: readonly Inline[]): string =>
    items.map((item) => ('children' in item ? flat(item.children) : item.kind === 'mention' ? `@${item.name}` : item.text)).join('')
  return parse(text, mentions)
    .map((block) => (block.kind === 'code' ? block.text : block.lines.map(flat).join('\n')))
    .join('\n')
}
