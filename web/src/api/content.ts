/** Short names for the content objects of message kinds. */
import type { Message } from './types'

type Content<K extends keyof Message> = NonNullable<Message[K]>

export type PollContent = Content<'poll'>
export type InteractiveContent = Content<'interactive'>
export type Choice = NonNullable<InteractiveContent['buttons']>[number]
export type ContactCard = Content<'contacts'>[number]
export type SystemContent = Content<'system'>
export type LinkPreviewContent = NonNullable<Content<'text'>['preview']>
