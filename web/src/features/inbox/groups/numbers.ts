/** Our linked numbers to choose from, the primary one chosen first. */
import { computed, type Ref, ref, watch } from 'vue'

import { useAccounts } from '@/api/accounts'

export function useOwnNumbers(open: Ref<boolean>) {
  const accounts = useAccounts()
  const accountId = ref<string | undefined>()
  const linked = computed(() => (accounts.data.value ?? []).filter((account) => account.phone))
  const numbers = computed(() =>
    linked.value.map((account) => ({ label: [account.name, account.phone].filter(Boolean).join(' · '), value: account.id }))
  )
  watch(
    [open, linked],
    () => (accountId.value ??= (linked.value.find((account) => account.is_primary) ?? linked.value[0])?.id),
    { immediate: true }
  )
  return { numbers, accountId }
}
