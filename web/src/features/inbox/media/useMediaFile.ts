/** A message's file on screen: whether it is here, where it is read, and how one that lies elsewhere is asked for. */
import { useQueryClient } from '@tanstack/vue-query'
import { computed, ref } from 'vue'

import { fetchMedia, getMessage, mediaContentUrl } from '@/api/messages'
import { renewMessage } from '@/api/stream/apply'
import type { Message } from '@/api/types'
import { useNotify } from '@/composables/useNotify'

import { mediaOf } from './file'

export function useMediaFile(message: () => Message) {
  const cache = useQueryClient()
  const notify = useNotify()
  const broken = ref(false)
  const file = computed(() => mediaOf(message()))
  const status = computed(() => (broken.value ? 'failed' : (file.value?.status ?? 'pending')))
  /** What was made of the file for sending plays everywhere; until it is made, the file itself is what there is. */
  const form = computed(() => (status.value === 'completed' ? (file.value?.form ?? null) : null))
  const url = computed(() => {
    const here = status.value === 'completed' || status.value === 'processing'
    return file.value?.id && here ? mediaContentUrl(file.value.id, form.value) : ''
  })

  /** A file that came as history lies on WhatsApp's media host until somebody wants it. */
  async function load(): Promise<void> {
    const id = file.value?.id
    if (id && (await notify.attempt(() => fetchMedia(id)))) renewMessage(cache, await getMessage(message().id))
  }

  return { file, status, url, broken, load }
}
