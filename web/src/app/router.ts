/** Routes and who may see them. Each page is its own chunk. */
import { createRouter, createWebHistory, type Router } from 'vue-router'

import { guard } from './guards'

declare module 'vue-router' {
  interface RouteMeta {
    /** Reachable without being signed in. */
    open?: boolean
    /** Only for those who run the installation. */
    admin?: boolean
    /** Only for owners and managers of the workspace. */
    manages?: boolean
    /** Key of the page's name, for the document title. */
    title?: string
  }
}

export function createAppRouter(): Router {
  const router = createRouter({
    history: createWebHistory(),
    routes: [
      // First, so that neither of the frames below, which share this path, answers for it.
      { path: '/', redirect: '/inbox' },
      {
        path: '/',
        component: () => import('./AuthLayout.vue'),
        meta: { open: true },
        children: [
          { path: 'setup', component: () => import('@/features/auth/SetupPage.vue'), meta: { title: 'auth.setup.title' } },
          { path: 'sign-in', component: () => import('@/features/auth/SignInPage.vue'), meta: { title: 'auth.signIn.title' } },
          { path: 'invite', component: () => import('@/features/auth/InvitePage.vue'), meta: { title: 'auth.invite.title' } }
        ]
      },
      {
        path: '/',
        component: () => import('./AppLayout.vue'),
        children: [
          {
            path: 'inbox/:chatId?',
            name: 'inbox',
            component: () => import('@/features/inbox/InboxPage.vue'),
            props: true,
            meta: { title: 'nav.inbox' }
          },
          { path: 'contacts', component: () => import('@/features/contacts/ContactsPage.vue'), meta: { title: 'nav.contacts' } },
          { path: 'numbers', component: () => import('@/features/numbers/NumbersPage.vue'), meta: { title: 'nav.numbers' } },
          {
            path: 'numbers/:accountId',
            component: () => import('@/features/numbers/NumberPage.vue'),
            props: true,
            meta: { title: 'nav.numbers' }
          },
          { path: 'developers', redirect: '/developers/keys' },
          {
            path: 'developers/keys',
            component: () => import('@/features/developers/KeysPage.vue'),
            meta: { title: 'nav.keys', manages: true }
          },
          {
            path: 'developers/events',
            component: () => import('@/features/developers/EventsPage.vue'),
            meta: { title: 'nav.events', manages: true }
          },
          { path: 'settings', component: () => import('@/features/settings/SettingsPage.vue'), meta: { title: 'nav.settings' } },
          {
            path: 'cluster',
            component: () => import('@/features/cluster/ClusterPage.vue'),
            meta: { title: 'nav.cluster', admin: true }
          },
          { path: 'settings/people', component: () => import('@/features/people/PeoplePage.vue'), meta: { title: 'nav.people' } }
        ]
      },
      { path: '/:path(.*)*', component: () => import('./NotFoundPage.vue'), meta: { open: true, title: 'notFound.title' } }
    ]
  })
  guard(router)
  return router
}
