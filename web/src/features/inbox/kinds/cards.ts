/** Contact cards: the numbers on them, and what to do with one. */
import type { ContactCard } from '@/api/content'

export interface CardNumber {
  /** As it stands on the card. */
  text: string
  /** For dialling, with `+`; null when it has no country code and no WhatsApp id. */
  dial: string | null
}

export function numbersOf(card: ContactCard): CardNumber[] {
  return (card.phones ?? []).flatMap((phone) => {
    const text = phone.phone || (phone.wa_id ? `+${phone.wa_id}` : '')
    if (!text) return []
    const digits = text.replace(/\D/g, '')
    return [{ text, dial: phone.wa_id ? `+${phone.wa_id.replace(/\D/g, '')}` : text.trim().startsWith('+') ? `+${digits}` : null }]
  })
}

/** A card for a number of ours, as the messages API takes it. */
export function cardOf(name: string, phone: string): ContactCard {
  return {
    name: { formatted_name: name || phone, first_name: name || phone },
    phones: [{ phone, wa_id: phone.replace(/\D/g, ''), type: 'CELL' }]
  }
}
