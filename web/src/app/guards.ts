/** Sends people where they belong: to set-up on a new installation, to the sign-in when nobody is signed in. */
import { watch } from 'vue'
import type { Router } from 'vue-router'

import { useSession } from '@/composables/useSession'
import { i18n } from '@/i18n'

export function guard(router: Router): void {
  router.beforeEach(async (to) => {
    const session = useSession()
    if (to.meta.open) {
      if (!session.status) await session.readStatus().catch(() => undefined)
      if (to.path === '/sign-in' && session.status?.setup_required) return { path: '/setup', hash: to.hash }
      return true
    }
    let signedIn: boolean
    try {
      const status = session.status ?? (await session.readStatus())
      signedIn = status.signed_in || session.me !== null ? await session.load() : false
    } catch {
      // The server is away: the page opens with what it has and says so.
      signedIn = session.me !== null
      if (!signedIn) return { path: '/sign-in', query: { next: to.fullPath, unreachable: '1' } }
    }
    if (signedIn) {
      const barred = session.me && ((to.meta.admin && !session.isPlatformAdmin) || (to.meta.manages && !session.mayManage))
      return barred ? { path: '/inbox' } : true
    }
    if (session.status?.setup_required) return { path: '/setup' }
    return { path: '/sign-in', query: to.fullPath === '/inbox' ? {} : { next: to.fullPath } }
  })

  router.afterEach((to) => {
    const title = to.meta.title ? i18n.global.t(to.meta.title) : null
    document.title = title ? `${title} · Blazz` : 'Blazz'
  })

  // A session that ends while a page is open leads back to the sign-in, and from there to the same page.
  let watching = false
  router.isReady().then(() => {
    if (watching) return
    watching = true
    const session = useSession()
    watch(
      () => session.me,
      (me, before) => {
        const here = router.currentRoute.value
        if (!me && before && !here.meta.open) void router.push({ path: '/sign-in', query: { next: here.fullPath } })
      }
    )
  })
}
