/** What an API key may be allowed to do. */

export const SCOPES = [
  'accounts:read',
  'accounts:write',
  'messages:read',
  'messages:write',
  'contacts:read',
  'contacts:write',
  'media:read',
  'media:write',
  'events:read'
] as const
export type Scope = (typeof SCOPES)[number]

export const LIFETIMES_DAYS = [30, 90, 365] as const

/** The instant a key made now ends, as RFC 3339 in UTC, or null for a key without an end. */
export function expiry(days: number | null, now: Date): string | null {
  return days === null ? null : new Date(now.getTime() + days * 24 * 3_600_000).toISOString()
}
