/** Naming people while a text is written: the list to choose from, by mouse or keyboard, and what was chosen. */
import { useEventListener } from '@vueuse/core'
import { computed, nextTick, type Ref, ref, shallowRef, watch } from 'vue'

import { encodeMentions, insertMention, matching, type Mentionable, type Typed, typedMention } from './mentions'

export function useMentions(text: Ref<string>, field: Readonly<Ref<HTMLTextAreaElement | null>>, people: Ref<Mentionable[]>) {
  const typed = shallowRef<Typed | null>(null)
  const active = ref(0)
  let chosen: Mentionable[] = []
  const found = computed(() => (typed.value ? matching(people.value, typed.value.term) : []))
  const open = computed(() => found.value.length > 0)

  function look(): void {
    const caret = field.value?.selectionStart ?? text.value.length
    typed.value = people.value.length ? typedMention(text.value, caret, chosen) : null
  }
  watch(text, () => void nextTick(look))
  watch(found, () => (active.value = 0))
  useEventListener(field, 'click', look)
  useEventListener(field, 'blur', () => (typed.value = null))

  function choose(person: Mentionable): void {
    if (!typed.value) return
    const next = insertMention(text.value, typed.value, field.value?.selectionStart ?? text.value.length, person)
    text.value = next.text
    chosen = [...chosen.filter((one) => one.address !== person.address), person]
    typed.value = null
    void nextTick(() => {
      field.value?.setSelectionRange(next.caret, next.caret)
      typed.value = null
    })
  }

  /** Handles a key for the open list; true when it was one. */
  function onKey(event: KeyboardEvent): boolean {
    if (!open.value) return false
    const count = found.value.length
    if (event.key === 'ArrowDown') active.value = (active.value + 1) % count
    else if (event.key === 'ArrowUp') active.value = (active.value + count - 1) % count
    else if (event.key === 'Escape') typed.value = null
    else if (event.key === 'Enter' || event.key === 'Tab') choose(found.value[active.value]!)
    else return false
    event.preventDefault()
    return true
  }

  return {
    open,
    found,
    active,
    choose,
    onKey,
    /** Whoever of the chat is named counts, chosen here or in a draft of before; `known` are further people. */
    encode: (written: string, known: readonly Mentionable[] = []) => encodeMentions(written, [...chosen, ...known, ...people.value]),
    reset: () => {
      chosen = []
      typed.value = null
    }
  }
}
