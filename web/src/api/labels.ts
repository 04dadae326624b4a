/** Labels of business numbers; they are made on the phone. */
import { useQuery } from '@tanstack/vue-query'

import { client, unwrap } from './client'
import { keys } from './keys'
import type { Label } from './types'

export const listLabels = async (): Promise<Label[]> => (await unwrap(client.GET('/api/v1/labels'))).data

export function useLabels() {
  return useQuery({ queryKey: keys.labels, queryFn: listLabels, staleTime: Infinity })
}

/** WhatsApp's palette of 20 colours, as near as ours come to it. */
const PALETTE = ['#ff9dbb', '#d4a373', '#f4a261', '#e9c46a', '#8ecae6', '#219ebc', '#90be6d', '#43aa8b', '#b5838d', '#9d4edd']

/** The colour of a label's dot. It never carries meaning alone: the name stands beside it. */
export const labelColour = (colour: number): string => PALETTE[Math.abs(colour) % PALETTE.length] ?? '#8ecae6'
