/** The way of a message of ours, step by step. */
import type { Receipts } from '@/api/types'

export type Step = 'sent' | 'delivered' | 'read' | 'played'

/** When one of several entries came first; one person may answer under two addresses. */
const first = (times: (string | null | undefined)[]): string | null => times.filter((at) => at !== null && at !== undefined).sort()[0] ?? null

/** What is known of the way and when; in a group (not `direct`) each member has a way of their own, told elsewhere. */
export function steps(receipts: Receipts | undefined, direct: boolean): [Step, string][] {
  if (!receipts) return []
  const people = direct ? receipts.data : []
  const times: [Step, string | null][] = [
    ['sent', receipts.sent_at ?? null],
    ['delivered', first(people.map((entry) => entry.delivered_at))],
    ['read', first(people.map((entry) => entry.read_at))],
    ['played', first(people.map((entry) => entry.played_at))]
  ]
  return times.filter((step): step is [Step, string] => step[1] !== null)
}
