/** What can be attached: ways of sending a file, what each takes, and the request that it becomes. */
import type { Body } from '@/composables/outbox'

export type AttachmentKind = 'image' | 'video' | 'loop' | 'note' | 'audio' | 'voice' | 'document' | 'sticker'

export interface Attachment {
  file: File
  kind: AttachmentKind
  /** Whether its receiver may look at it only once. */
  once: boolean
}

interface Rules {
  icon: string
  /** MIME types or their beginnings; empty for any file. */
  accept: readonly string[]
  largest: number
}

const MB = 1024 * 1024
/** The server takes files of 100 MB unless it is told otherwise, and makes pictures smaller by itself. */
export const RULES: Record<AttachmentKind, Rules> = {
  image: { icon: 'i-lucide-image', accept: ['image/jpeg', 'image/png', 'image/webp', 'image/gif'], largest: 25 * MB },
  video: { icon: 'i-lucide-video', accept: ['video/'], largest: 100 * MB },
  loop: { icon: 'i-lucide-repeat', accept: ['image/gif', 'video/'], largest: 50 * MB },
  note: { icon: 'i-lucide-circle-play', accept: ['video/'], largest: 50 * MB },
  audio: { icon: 'i-lucide-music', accept: ['audio/'], largest: 100 * MB },
  voice: { icon: 'i-lucide-mic', accept: ['audio/'], largest: 50 * MB },
  document: { icon: 'i-lucide-file-text', accept: [], largest: 100 * MB },
  sticker: { icon: 'i-lucide-sticker', accept: ['image/png', 'image/webp', 'image/jpeg', 'image/gif'], largest: 10 * MB }
}

type FileFacts = Pick<File, 'type' | 'size'>

/** How a file is sent when nobody has said how: pictures and films are shown, everything else is a document. */
export function kindFor(file: FileFacts): AttachmentKind {
  if (file.type === 'image/gif') return 'loop'
  if (takes('image', file)) return 'image'
  if (takes('video', file)) return 'video'
  return takes('audio', file) ? 'audio' : 'document'
}

const takes = (kind: AttachmentKind, file: FileFacts): boolean => {
  const { accept } = RULES[kind]
  return accept.length === 0 || accept.some((type) => file.type === type || (type.endsWith('/') && file.type.startsWith(type)))
}

/** The key of the sentence that says why this file cannot be sent so, with its largest size in MB; null when it can. */
export function problemOf(kind: AttachmentKind, file: FileFacts): { key: string; mb: number } | null {
  const mb = RULES[kind].largest / MB
  if (!takes(kind, file)) return { key: `media.wrongType.${kind}`, mb }
  if (file.size > RULES[kind].largest) return { key: 'media.tooLarge', mb }
  return file.size === 0 ? { key: 'media.empty', mb } : null
}

/** For the file dialog. */
export const acceptOf = (kind: AttachmentKind): string =>
  RULES[kind].accept.map((type) => (type.endsWith('/') ? `${type}*` : type)).join(',') || '*'

const CAPTIONED = new Set<AttachmentKind>(['image', 'video', 'loop', 'document'])
const ONCE = new Set<AttachmentKind>(['image', 'video', 'voice'])
export const takesCaption = (kind: AttachmentKind): boolean => CAPTIONED.has(kind)
export const mayBeOnce = (kind: AttachmentKind): boolean => ONCE.has(kind)

export function bodyOf({ kind, once }: Attachment, caption: string): Body {
  const common = {
    ...(caption && takesCaption(kind) ? { caption } : {}),
    ...(once && mayBeOnce(kind) ? { view_once: true } : {})
  }
  if (kind === 'loop') return { type: 'video', content: { ...common, animated: true } }
  if (kind === 'note') return { type: 'video', content: { ...common, note: true } }
  if (kind === 'voice') return { type: 'audio', content: { ...common, voice: true } }
  return { type: kind, content: common }
}
