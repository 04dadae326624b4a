/**
 * The content objects of message kinds that the generated document does not carry yet, as they are documented.
 * `part` reads one from a message, so that components need not know which of the two it is.
 */
import type { Message } from './types'

export interface LocationContent {
  latitude: number
  longitude: number
  name?: string | null
  address?: string | null
  url?: string | null
  /** Somebody's place at a moment, which moves; `sequence` rises with every move. */
  live?: boolean
  accuracy_m?: number | null
  sequence?: number | null
}

export interface ContactCard {
  name: { formatted_name: string; first_name?: string | null; last_name?: string | null }
  phones?: { phone?: string | null; wa_id?: string | null; type?: string | null }[] | null
  emails?: { email?: string | null; type?: string | null }[] | null
  org?: { company?: string | null; title?: string | null } | null
}

export interface PollContent {
  question: string
  options: { name: string; voters: { author: string; from_me: boolean; at: string }[] }[]
  multiple: boolean
  /** People who have picked something. */
  voters: number
}

/** Something to tap: a button, or a row of a list. */
export interface Choice {
  id?: string | null
  title: string
  description?: string | null
  url?: string | null
  phone?: string | null
}

export interface InteractiveContent {
  type: string
  header?: string | null
  body?: string | null
  footer?: string | null
  /** What opens the list. */
  button?: string | null
  buttons?: Choice[]
  sections?: { title?: string | null; rows: Choice[] }[]
  button_reply?: Choice | null
  list_reply?: Choice | null
  nfm_reply?: { name: string; body?: string | null; response_json: string } | null
}

export interface SystemContent {
  event: string
  data: Record<string, unknown>
}

export interface LinkPreviewContent {
  url: string
  title?: string | null
  description?: string | null
  thumbnail?: string | null
}

export interface Parts {
  location: LocationContent
  contacts: ContactCard[]
  poll: PollContent
  interactive: InteractiveContent
  button: { text?: string | null; payload?: string | null }
  system: SystemContent
  unsupported: { kind?: string | null }
}

/** The content of a message when it is of this kind and was not deleted. */
export function part<K extends keyof Parts>(message: Message, kind: K): Parts[K] | null {
  return (message as Partial<Parts>)[kind] ?? null
}
