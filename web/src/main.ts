/** Starts the web application. */
import './styles/main.css'

import ui from '@nuxt/ui/vue-plugin'
import { VueQueryPlugin } from '@tanstack/vue-query'
import { createPinia } from 'pinia'
import { createApp } from 'vue'

import { createQueryClient } from './app/query'
import { createAppRouter } from './app/router'
import App from './App.vue'
import { i18n, preferredLanguage, setLanguage } from './i18n'

async function start(): Promise<void> {
  await setLanguage(preferredLanguage(), false)
  const app = createApp(App)
  app.use(createPinia())
  app.use(VueQueryPlugin, { queryClient: createQueryClient() })
  app.use(i18n)
  app.use(createAppRouter())
  app.use(ui)
  app.mount('#app')
}

void start()
