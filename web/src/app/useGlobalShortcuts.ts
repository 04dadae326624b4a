/** Keys that work on every page: `g` then a letter goes somewhere, `n` starts a chat, `?` shows the list. */
import { useRouter } from 'vue-router'

import { useShortcuts } from '@/composables/useShortcuts'

export interface Shortcut {
  keys: string[]
  /** Key of the description in the language files. */
  text: string
}

export const GLOBAL_SHORTCUTS: Shortcut[] = [
  { keys: ['meta', 'K'], text: 'shortcuts.palette' },
  { keys: ['?'], text: 'shortcuts.help' },
  { keys: ['N'], text: 'shortcuts.newChat' },
  { keys: ['G', 'I'], text: 'shortcuts.inbox' },
  { keys: ['G', 'C'], text: 'shortcuts.contacts' },
  { keys: ['G', 'N'], text: 'shortcuts.numbers' },
  { keys: ['G', 'A'], text: 'shortcuts.keys' },
  { keys: ['G', 'E'], text: 'shortcuts.events' },
  { keys: ['G', 'S'], text: 'shortcuts.settings' },
  { keys: ['G', 'U'], text: 'shortcuts.cluster' }
]

export const INBOX_SHORTCUTS: Shortcut[] = [
  { keys: ['/'], text: 'shortcuts.search' },
  { keys: ['J'], text: 'shortcuts.nextChat' },
  { keys: ['K'], text: 'shortcuts.previousChat' },
  { keys: ['U'], text: 'shortcuts.unread' },
  { keys: ['R'], text: 'shortcuts.reply' },
  { keys: ['arrowup', 'arrowdown'], text: 'shortcuts.walk' },
  { keys: ['Enter'], text: 'shortcuts.send' },
  { keys: ['arrowup'], text: 'shortcuts.editLast' },
  { keys: ['shift', 'Enter'], text: 'shortcuts.newLine' },
  { keys: ['Esc'], text: 'shortcuts.close' }
]

export function useGlobalShortcuts(help: () => void): void {
  const router = useRouter()
  const go = (path: string) => () => void router.push(path)
  useShortcuts({
    '?': help,
    n: go('/inbox?new='),
    'g-i': go('/inbox'),
    'g-c': go('/contacts'),
    'g-n': go('/numbers'),
    'g-a': go('/developers/keys'),
    'g-e': go('/developers/events'),
    'g-s': go('/settings'),
    'g-u': go('/cluster')
  })
}
