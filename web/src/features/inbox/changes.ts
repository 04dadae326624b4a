/** What a message looks like once something was done to it; drawn at once, before the server has answered. */
import type { Message } from '@/api/types'

import { withChoice } from './kinds/poll'

const OURS = ''

/** Our reaction on a message; an empty emoji takes it back. */
export function withReaction(message: Message, emoji: string, at: string): Message {
  const others = (message.reactions ?? []).filter((reaction) => !reaction.from_me)
  return { ...message, reactions: emoji ? [...others, { emoji, author: OURS, from_me: true, at }] : others }
}

export const ourReaction = (message: Message): string => (message.reactions ?? []).find((reaction) => reaction.from_me)?.emoji ?? ''

/** A text with other words, or a file with another caption, that names the people of `mentions`. */
export function withText(message: Message, body: string, mentions: string[], at: string): Message {
  const context = mentions.length ? ({ ...message.context, mentions } as Message['context']) : message.context
  const edited = { ...message, context, edited_at: at }
  if (message.image) return { ...edited, image: { ...message.image, caption: body } }
  if (message.video) return { ...edited, video: { ...message.video, caption: body } }
  if (message.document) return { ...edited, document: { ...message.document, caption: body } }
  return { ...edited, text: { ...message.text, body } }
}

export const asDeleted = (message: Message, at: string): Message => ({ ...message, deleted_at: at, reactions: [], pinned_until: null })

export const withPin = (message: Message, until: string | null): Message => ({ ...message, pinned_until: until })

export const withStar = (message: Message, at: string | null): Message => ({ ...message, starred_at: at })

export function withVote(message: Message, options: readonly string[], at: string): Message {
  return message.poll ? { ...message, poll: withChoice(message.poll, options, at) } : message
}

export interface ReactionGroup {
  emoji: string
  count: number
  mine: boolean
}

/** Reactions by emoji, the most frequent first, else in the order in which they came. */
export function groupReactions(message: Message): ReactionGroup[] {
  const groups = new Map<string, ReactionGroup>()
  for (const { emoji, from_me } of message.reactions ?? []) {
    const group = groups.get(emoji) ?? { emoji, count: 0, mine: false }
    groups.set(emoji, { emoji, count: group.count + 1, mine: group.mine || from_me })
  }
  return [...groups.values()].sort((a, b) => b.count - a.count)
}
