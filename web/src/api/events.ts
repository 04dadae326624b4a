/** Reading the workspace's event log. */
import { client, unwrap } from './client'

export const listEvents = (after: number, limit = 100) =>
  unwrap(client.GET('/api/v1/events', { params: { query: { after, limit } } }))

/** The newest position of the log, from which a fresh page starts to listen. */
export async function readHead(): Promise<number> {
  return (await listEvents(0, 1)).head
}
