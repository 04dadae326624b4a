/** Which component draws which kind of message. Each takes `message` and needs an open conversation around it. */
import type { Component } from 'vue'

import type { Message } from '@/api/types'

import AudioPart from '../media/AudioPart.vue'
import DocumentPart from '../media/DocumentPart.vue'
import StickerPart from '../media/StickerPart.vue'
import VideoPart from '../media/VideoPart.vue'
import ContactsPart from './ContactsPart.vue'
import DeletedPart from './DeletedPart.vue'
import GroupInvitePart from './GroupInvitePart.vue'
import ImagePart from './ImagePart.vue'
import InteractivePart from './InteractivePart.vue'
import LocationPart from './LocationPart.vue'
import PollPart from './PollPart.vue'
import TextPart from './TextPart.vue'
import UnsupportedPart from './UnsupportedPart.vue'

const PARTS: Record<string, Component> = {
  text: TextPart,
  image: ImagePart,
  video: VideoPart,
  audio: AudioPart,
  document: DocumentPart,
  sticker: StickerPart,
  location: LocationPart,
  contacts: ContactsPart,
  poll: PollPart,
  group_invite: GroupInvitePart,
  interactive: InteractivePart,
  button: InteractivePart
}

/** Stickers and round video notes are drawn without a bubble around them. */
const isShape = (message: Message): boolean => message.type === 'sticker' || Boolean(message.video?.note)

export function partFor(message: Message): Component {
  if (message.deleted_at) return DeletedPart
  return PARTS[message.type] ?? UnsupportedPart
}

export const isBare = (message: Message): boolean => !message.deleted_at && isShape(message)
