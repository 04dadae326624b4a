/** What a message's file is like, and how its facts are written for people. */
import type { Message } from '@/api/types'

export type MediaContent = NonNullable<Message['video']>

/** A message's file; of a text it is the large picture of the page that it links to. */
export const mediaOf = (message: Message): MediaContent | null =>
  message.image ?? message.video ?? message.audio ?? message.document ?? message.sticker ?? message.text?.preview?.picture ?? null

/** "0:07", "12:30", "1:02:03". */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const parts = [Math.floor(whole / 60) % 60, whole % 60]
  const hours = Math.floor(whole / 3600)
  const [minutes, rest] = parts.map((part) => String(part).padStart(2, '0'))
  return hours ? `${hours}:${minutes}:${rest}` : `${Number(minutes)}:${rest}`
}

/** "812 B", "3 kB", "4.2 MB"; in the reader's way of writing numbers. */
export function fileSize(bytes: number, locale: string): string {
  const [value, unit] = bytes < 1000 ? [bytes, 'byte'] : bytes < 1_000_000 ? [bytes / 1000, 'kilobyte'] : [bytes / 1_000_000, 'megabyte']
  return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'narrow', maximumFractionDigits: unit === 'megabyte' ? 1 : 0 }).format(value)
}

const ICONS: readonly [RegExp, string][] = [
  [/pdf$/, 'i-lucide-file-text'],
  [/sheet|excel|csv/, 'i-lucide-file-spreadsheet'],
  [/presentation|powerpoint/, 'i-lucide-presentation'],
  [/zip|rar|7z|gzip|tar/, 'i-lucide-file-archive'],
  [/^image\//, 'i-lucide-file-image'],
  [/^video\//, 'i-lucide-file-video'],
  [/^audio\//, 'i-lucide-file-audio'],
  [/json|xml/, 'i-lucide-file-code'],
  [/^text\/|word|document/, 'i-lucide-file-text']
]
export const iconOf = (mimeType: string): string => ICONS.find(([pattern]) => pattern.test(mimeType))?.[1] ?? 'i-lucide-file'

/** The ending of a name in capitals, else the second half of the type: what people call the kind of file. */
export function formatOf(filename: string | null | undefined, mimeType: string): string {
  const ending = /\.([a-z0-9]{1,5})$/i.exec(filename ?? '')?.[1]
  return (ending ?? mimeType.split(';')[0]?.split('/')[1] ?? '').toUpperCase().slice(0, 8)
}

/** `bars` heights of 0 to 1 for a waveform of any number of samples; an even line where there is none. */
export function heights(waveform: readonly number[] | null | undefined, bars: number): number[] {
  if (!waveform?.length) return Array.from({ length: bars }, () => 0.12)
  return Array.from({ length: bars }, (_, bar) => {
    const from = Math.floor((bar * waveform.length) / bars)
    const part = waveform.slice(from, Math.max(Math.floor(((bar + 1) * waveform.length) / bars), from + 1))
    return Math.max(0.08, Math.min(1, Math.max(...part) / 100))
  })
}
