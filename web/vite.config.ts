/** Build and development settings: Nuxt UI in plain Vue, every icon bundled, assets as files so that the strict content policy holds. */
import { fileURLToPath, URL } from 'node:url'

import VueI18nPlugin from '@intlify/unplugin-vue-i18n/vite'
import ui from '@nuxt/ui/vite'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

const backend = process.env.BLAZZ_URL ?? 'http://127.0.0.1:8000'

export default defineConfig({
  plugins: [
    vue(),
    VueI18nPlugin({
      include: [fileURLToPath(new URL('./src/i18n/locales/**', import.meta.url))],
      runtimeOnly: true,
      compositionOnly: true,
      fullInstall: false
    }),
    ui({
      autoImport: false,
      components: { dts: 'src/components.d.ts', dirs: [] },
      colorMode: true,
      // Names of icons also stand in tables beside the templates.
      icon: { clientBundle: { scan: { globInclude: ['src/**/*.{vue,ts}'] }, sizeLimitKb: 512 } },
      ui: {
        colors: { primary: 'emerald', neutral: 'zinc' },
        // The frame fills the window by itself, below the banners; its parts must not ask for the window's height.
        dashboardSidebar: { slots: { root: 'min-h-0' } },
        dashboardPanel: { slots: { root: 'min-h-0' } },
        dashboardNavbar: { slots: { root: 'h-14', title: 'text-[15px]' } },
        button: { slots: { base: 'cursor-pointer' } }
      },
      experimental: { componentDetection: true }
    })
  ],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    target: 'es2022',
    // Inlined data: URLs would be refused by the content security policy for fonts.
    assetsInlineLimit: 0,
    reportCompressedSize: true
  },
  server: {
    proxy: { '/api': { target: backend, ws: true, changeOrigin: false } }
  },
  test: {
    environment: 'happy-dom',
    include: ['tests/**/*.test.ts']
  }
})
