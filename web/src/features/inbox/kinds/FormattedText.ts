/** Draws a formatted text from its tree. A function instead of a template: it calls itself for marks within marks. */
import { computed, defineComponent, h, type VNodeChild } from 'vue'

import { type Block, type Inline, loneEmojis, type Mentions, parse } from './formatting'

const SIZES = ['text-[15px] leading-[1.4]', 'text-5xl leading-tight', 'text-4xl leading-tight', 'text-3xl leading-tight']
const TAGS = { bold: 'strong', italic: 'em', strike: 's' } as const

function inline(item: Inline): VNodeChild {
  switch (item.kind) {
    case 'text':
      return item.text
    case 'code':
      return h('code', { class: 'rounded bg-black/6 px-1 py-px font-mono text-[0.9em] dark:bg-white/10' }, item.text)
    case 'link':
      return h(
        'a',
        { href: item.href, target: '_blank', rel: 'noopener noreferrer nofollow', class: 'break-all text-(--link) underline underline-offset-2' },
        item.text
      )
    case 'mention':
      return h('span', { class: 'font-medium text-(--link)', title: item.text }, `@${item.name}`)
    default:
      return h(TAGS[item.kind], item.children.map(inline))
  }
}

const joined = (lines: readonly Inline[][]): VNodeChild[] =>
  lines.flatMap((line, index) => (index === 0 ? line.map(inline) : ['\n', ...line.map(inline)]))

function block(item: Block): VNodeChild {
  switch (item.kind) {
    case 'lines':
      return h('p', { class: 'whitespace-pre-wrap', dir: 'auto' }, joined(item.lines))
    case 'quote':
      return h('blockquote', { class: 'my-1 border-s-[3px] border-accented ps-2.5 whitespace-pre-wrap text-toned', dir: 'auto' }, joined(item.lines))
    case 'list':
      return h(
        item.ordered ? 'ol' : 'ul',
        { class: ['my-1 ps-6', item.ordered ? 'list-decimal' : 'list-disc'], start: item.ordered ? item.start : undefined, dir: 'auto' },
        item.lines.map((line) => h('li', line.map(inline)))
      )
    case 'code':
      return h('pre', { class: 'my-1 overflow-x-auto rounded-md bg-black/6 px-2.5 py-1.5 font-mono text-[13px] dark:bg-white/10', tabindex: 0 }, item.text)
  }
}

export default defineComponent({
  name: 'FormattedText',
  props: { text: { type: String, required: true }, mentions: { type: Map as unknown as () => Mentions, default: undefined } },
  setup(props) {
    const blocks = computed(() => parse(props.text, props.mentions))
    const size = computed(() => SIZES[loneEmojis(props.text)])
    return () => h('div', { class: ['break-words text-highlighted', size.value] }, blocks.value.map(block))
  }
})
