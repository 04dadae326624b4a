/** The colour theme, kept per browser under the key that `/theme.js` reads before the first paint. */
import { useColorMode } from '@vueuse/core'
import { computed } from 'vue'

export const THEMES = [
  { value: 'auto', icon: 'i-lucide-monitor' },
  { value: 'light', icon: 'i-lucide-sun' },
  { value: 'dark', icon: 'i-lucide-moon' }
] as const
export type Theme = (typeof THEMES)[number]['value']

export function useTheme() {
  const mode = useColorMode({ emitAuto: true })
  const theme = computed<Theme>({
    get: () => mode.value as Theme,
    set: (value) => {
      mode.value = value
    }
  })
  const icon = computed(() => THEMES.find((choice) => choice.value === theme.value)?.icon ?? 'i-lucide-monitor')
  return { theme, icon }
}
