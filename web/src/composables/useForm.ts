/** A form's talk with the server: busy, what went wrong as a whole, and what is wrong beside each field. */
import { computed, reactive, ref, shallowRef } from 'vue'
import { useI18n } from 'vue-i18n'

import { type ApiError, toApiError } from '@/api/errors'

export function useForm() {
  const { t, te } = useI18n()
  const busy = ref(false)
  const problem = shallowRef<ApiError | null>(null)
  const fields = reactive<Record<string, string | undefined>>({})

  /** The problem in words: a translated sentence for a known code, else what the server said. */
  const message = computed(() => {
    const error = problem.value
    if (!error) return null
    return te(`errors.${error.code}`) ? t(`errors.${error.code}`) : error.message
  })

  function clear(): void {
    problem.value = null
    for (const name of Object.keys(fields)) delete fields[name]
  }

  /** Runs the action once; true when it succeeded. What was typed stays, whatever happens. */
  async function submit(action: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false
    busy.value = true
    clear()
    try {
      await action()
      return true
    } catch (caught) {
      const error = toApiError(caught)
      // The server names fields by their path in the body; the form knows their last part.
      for (const field of error.fields) fields[field.field.split('.').pop() ?? field.field] = field.message
      problem.value = error
      return false
    } finally {
      busy.value = false
    }
  }

  return { busy, problem, fields, message, submit, clear }
}
