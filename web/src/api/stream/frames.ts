/** The frames of the event stream, and their careful reading: what is not understood is ignored, never guessed. */
import type { LogEvent } from '../types'

/** An event that happens and is gone: it has no position and is never stored. */
export interface EphemeralEvent {
  name: string
  account_id?: string | null
  data: Record<string, unknown>
}

export type Frame =
  | { type: 'event'; event: LogEvent }
  | { type: 'ephemeral'; event: EphemeralEvent }
  | { type: 'ready'; head: number }
  | { type: 'ping' }

/** Close codes of the stream, as the server defines them. */
export const CLOSE = {
  badRequest: 4400,
  unauthenticated: 4401,
  forbidden: 4403,
  slowReader: 4408,
  positionExpired: 4410
} as const

export function parseFrame(text: string): Frame | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const frame = value as Record<string, unknown>
  if (frame.type === 'ping') return { type: 'ping' }
  if (frame.type === 'ready' && typeof frame.head === 'number') return { type: 'ready', head: frame.head }
  if (typeof frame.event !== 'object' || frame.event === null) return null
  const event = frame.event as Record<string, unknown>
  if (typeof event.name !== 'string') return null
  const data = typeof event.data === 'object' && event.data !== null ? (event.data as Record<string, unknown>) : {}
  if (frame.type === 'event' && typeof event.position === 'number') {
    return { type: 'event', event: { ...(event as unknown as LogEvent), data } }
  }
  if (frame.type === 'ephemeral') {
    // Some senders put the few fields beside the name instead of under `data`.
    const accountId = typeof event.account_id === 'string' ? event.account_id : null
    return { type: 'ephemeral', event: { name: event.name, account_id: accountId, data: { ...event, ...data } } }
  }
  return null
}

export function textOf(data: Record<string, unknown>, field: string): string | null {
  const value = data[field]
  return typeof value === 'string' ? value : null
}
