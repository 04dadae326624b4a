/** Looks after a page whose parts are gone from the server since Blazz was updated. */
import { useToast } from '@nuxt/ui/composables'
import { useEventListener } from '@vueuse/core'
import { onMounted } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRouter } from 'vue-router'

import { keepDrafts } from '@/composables/drafts'
import { useOutbox } from '@/composables/useOutbox'

import { createUpdater, entryOf } from './update'

const PATIENCE_MS = 5_000

async function serverIsNewer(): Promise<boolean> {
  const answer = await fetch('/', { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) })
  if (!answer.ok) return false
  const entry = entryOf(new DOMParser().parseFromString(await answer.text(), 'text/html'))
  return entry !== null && entry !== entryOf(document)
}

export function useUpdates(): void {
  const { t } = useI18n()
  const toast = useToast()
  const router = useRouter()
  const outbox = useOutbox()
  const updater = createUpdater({
    newer: serverIsNewer,
    idle: outbox.idle,
    keep: () => keepDrafts(outbox.drafts),
    restart: (address) => (address ? location.assign(address) : location.reload()),
    ask: (notice, reload) =>
      toast.add({
        id: 'update',
        title: t(`update.${notice}`),
        description: t(`update.${notice}Text`),
        icon: 'i-lucide-refresh-cw',
        color: 'warning',
        duration: 0,
        actions: [{ label: t('update.reload'), color: 'neutral', variant: 'outline', onClick: reload }]
      }),
    tell: () => toast.add({ title: t('update.updated'), icon: 'i-lucide-circle-check', color: 'success', duration: 5_000 }),
    storage: sessionStorage
  })
  useEventListener(window, 'vite:preloadError', () => void updater.missing())
  router.onError((_error, to) => updater.wanted(to.fullPath))
  onMounted(updater.started)
}
