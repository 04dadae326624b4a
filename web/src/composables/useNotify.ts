/** Short notices at the edge of the page, and failures of actions that have no form of their own. */
import { useToast } from '@nuxt/ui/composables'
import { useI18n } from 'vue-i18n'

import { toApiError } from '@/api/errors'

export function useNotify() {
  const toast = useToast()
  const { t, te } = useI18n()

  function done(title: string): void {
    toast.add({ title, icon: 'i-lucide-circle-check', color: 'success', duration: 3_000 })
  }

  function failure(caught: unknown): void {
    const error = toApiError(caught)
    const description = te(`errors.${error.code}`) ? t(`errors.${error.code}`) : error.message
    toast.add({
      title: t('common.didNotWork'),
      description: error.requestId ? `${description} (${error.requestId})` : description,
      icon: 'i-lucide-circle-alert',
      color: 'error',
      duration: 8_000
    })
  }

  /** Runs an action, tells how it ended; true when it succeeded. */
  async function attempt(action: () => Promise<unknown>, success?: string): Promise<boolean> {
    try {
      await action()
      if (success) done(success)
      return true
    } catch (error) {
      failure(error)
      return false
    }
  }

  return { done, failure, attempt }
}
