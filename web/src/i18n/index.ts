/** Languages of the interface: each is fetched when it is chosen; the browser's language decides at first. */
import { nextTick } from 'vue'
import { createI18n } from 'vue-i18n'

export const LANGUAGES = [
  { code: 'en', label: 'English' },
  { code: 'id', label: 'Bahasa Indonesia' }
] as const
export type Language = (typeof LANGUAGES)[number]['code']

const STORED = 'blazz-language'
const loaders: Record<Language, () => Promise<{ default: Record<string, unknown> }>> = {
  en: () => import('./locales/en.json'),
  id: () => import('./locales/id.json')
}

export const i18n = createI18n({ legacy: false, locale: 'en', fallbackLocale: 'en', messages: {} })

const isLanguage = (code: string | null | undefined): code is Language => LANGUAGES.some((known) => known.code === code)

export function preferredLanguage(): Language {
  let stored: string | null = null
  try {
    stored = localStorage.getItem(STORED)
  } catch {
    stored = null
  }
  if (isLanguage(stored)) return stored
  const asked = navigator.languages.map((tag) => tag.slice(0, 2)).find(isLanguage)
  return asked ?? 'en'
}

export async function setLanguage(code: Language, remember = true): Promise<void> {
  if (!i18n.global.availableLocales.includes(code as never)) {
    i18n.global.setLocaleMessage(code, (await loaders[code]()).default as never)
  }
  const locale = i18n.global.locale as unknown as { value: Language }
  locale.value = code
  document.documentElement.lang = code
  if (remember) {
    try {
      localStorage.setItem(STORED, code)
    } catch {
      // Without storage the choice lasts as long as the page.
    }
  }
  await nextTick()
}
