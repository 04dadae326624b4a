/** Reading the workspace's event log. */
import { client, unwrap } from './client'
import { ApiError } from './errors'
import type { LogEvent } from './types'

export const listEvents = (after: number, limit = 100) =>
  unwrap(client.GET('/api/v1/events', { params: { query: { after, limit } } }))

/** The newest position of the log, from which a fresh page starts to listen. */
export async function readHead(): Promise<number> {
  // Nothing lies after the largest position, so only the head is told; and it can never be too old.
  return (await listEvents(Number.MAX_SAFE_INTEGER, 1)).head
}

/** The newest `count` events, fewer when the log no longer reaches back so far. */
export async function listNewest(count: number): Promise<LogEvent[]> {
  const head = await readHead()
  try {
    return (await listEvents(Math.max(0, head - count), count)).data
  } catch (error) {
    if (error instanceof ApiError && error.oldest !== null) return (await listEvents(error.oldest - 1, count)).data
    throw error
  }
}
