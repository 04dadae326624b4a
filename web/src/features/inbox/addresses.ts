/** WhatsApp addresses as people read them. */

/** The part before the `@` and before a device's number. */
export const userOf = (address: string): string => address.split('@')[0]?.split(':')[0] ?? ''

/** A number for an address that has one; a short sign for a hidden one, which nobody could dial. */
export function readable(address: string): string {
  const user = userOf(address)
  if (address.endsWith('@lid')) return `~${user.slice(-4)}`
  return /^\d+$/.test(user) ? `+${user}` : user
}
