/** What WhatsApp forbids a number at the moment, in words; null when nothing holds any more. */
import { useNow } from '@vueuse/core'
import { computed, type MaybeRefOrGetter, toValue } from 'vue'
import { useI18n } from 'vue-i18n'

import type { Account } from '@/api/types'

import { useTime } from './useTime'

export interface RestrictionWords {
  kind: string
  title: string
  text: string
  /** When it ends, in words; empty when it does not. */
  until: string
  everything: boolean
}

export function useRestriction(account: MaybeRefOrGetter<Account | undefined>) {
  const { t, te } = useI18n()
  const time = useTime()
  const now = useNow({ interval: 5_000 })
  return computed<RestrictionWords | null>(() => {
    const restriction = toValue(account)?.restriction
    if (!restriction) return null
    if (restriction.until && Date.parse(restriction.until) <= now.value.getTime()) return null
    const { kind, until, until_assumed: assumed } = restriction
    const end = until ? time.exact(until) : ''
    return {
      kind,
      title: te(`restriction.${kind}.title`) ? t(`restriction.${kind}.title`) : kind,
      text: te(`restriction.${kind}.text`) ? t(`restriction.${kind}.text`) : restriction.reason,
      until: end ? t(assumed ? 'restriction.untilAssumed' : 'restriction.until', { when: end }) : '',
      everything: restriction.existing_chats === 'stopped'
    }
  })
}
