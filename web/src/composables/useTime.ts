/** Times for templates: in the workspace's zone and the reader's language, refreshed as the minutes pass. */
import { createGlobalState, useNow } from '@vueuse/core'
import { computed } from 'vue'
import { useI18n } from 'vue-i18n'

import * as time from './time'
import { useSession } from './useSession'

// One clock for the whole page, ticking often enough for "a minute ago".
const useSharedNow = createGlobalState(() => useNow({ interval: 20_000 }))

export function useTime() {
  const session = useSession()
  const { t, locale } = useI18n()
  const now = useSharedNow()
  const options = computed(() => ({ locale: locale.value, timeZone: session.timeZone }))
  const at = (value: string) => new Date(value)
  return {
    clock: (value: string) => time.clock(at(value), options.value),
    exact: (value: string) => time.exact(at(value), options.value),
    date: (value: string) => time.shortDate(at(value), options.value),
    list: (value: string) => time.listTime(at(value), now.value, options.value, t('time.yesterday')),
    day: (value: string) =>
      time.dayLabel(at(value), now.value, options.value, { today: t('time.today'), yesterday: t('time.yesterday') }),
    ago: (value: string) => time.relative(at(value), now.value, locale.value, t('time.justNow')),
    dayKey: (value: string) => time.dayKey(at(value), options.value.timeZone)
  }
}
