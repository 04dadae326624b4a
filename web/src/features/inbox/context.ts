/** What everything inside an open conversation may use: whose it is, who people are, and what can be done there. */
import { type ComputedRef, inject, type InjectionKey, provide } from 'vue'

import type { Chat, Message } from '@/api/types'

export interface Conversation {
  chat: ComputedRef<Chat | undefined>
  /** What the chat is called. */
  name: ComputedRef<string>
  /** Whether our number administers this group. */
  admin: ComputedRef<boolean>
  /** What to call the owner of a WhatsApp address; an empty one is ours. */
  nameOf: (address: string) => string
  /** Who wrote a message. */
  authorOf: (message: Message) => string
  /** Names of the people whom a message mentions, by the digits in its text. */
  mentionsOf: (message: Message) => ReadonlyMap<string, string>
  reply: (message: Message) => void
  /** Opens the menu of a message at an element, or where the pointer is. */
  menu: (message: Message, at: HTMLElement | MouseEvent) => void
  pickReaction: (message: Message, at: HTMLElement) => void
  react: (message: Message, emoji: string) => void
  vote: (message: Message, options: string[]) => void
  picture: (message: Message) => void
  retry: (message: Message) => void
  /** Shows a message of this chat, reading older ones until it is there. */
  jump: (messageId: string) => void
}

const KEY: InjectionKey<Conversation> = Symbol('conversation')

export const provideConversation = (conversation: Conversation): void => provide(KEY, conversation)

export function useOpenConversation(): Conversation {
  const conversation = inject(KEY)
  if (!conversation) throw new Error('This belongs inside an open conversation.')
  return conversation
}
