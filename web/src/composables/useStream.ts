/** The workspace's event stream as the pages see it: connection state, who is typing, and listeners for single events. */
import { useQueryClient } from '@tanstack/vue-query'
import { defineStore } from 'pinia'
import { computed, reactive, ref, shallowRef } from 'vue'

import { readHead } from '@/api/events'
import { keys } from '@/api/keys'
import { applyPlan } from '@/api/stream/apply'
import { EventConnection, type StreamState } from '@/api/stream/connection'
import { type EphemeralEvent, textOf } from '@/api/stream/frames'
import { planEvents } from '@/api/stream/plan'
import type { LogEvent, Message } from '@/api/types'

import { useOutbox } from './useOutbox'

/** Typing is never stored; a sender that goes away must not seem to type for ever. */
const TYPING_MS = 10_000
/** A blip shorter than this is not worth a banner; the promise is to tell within two seconds. */
const OFFLINE_AFTER_MS = 1_200
/** WhatsApp lets a phone ring for less than this; whoever hears of no end must not see it ring for ever. */
const RINGING_MS = 60_000

export type TypingKind = 'composing' | 'recording'
/** Whether a customer is online now; `lastSeen` (RFC 3339) where they let others know. */
export interface Presence {
  online: boolean
  lastSeen: string | null
}
/** A call that rings now. */
export interface Ringing {
  callId: string
  video: boolean
}
type Listener = (event: LogEvent) => void

export const useStream = defineStore('stream', () => {
  const cache = useQueryClient()
  const outbox = useOutbox()
  const state = ref<StreamState>('stopped')
  const offline = ref(false)
  const since = ref(Date.now())
  const typing = reactive(new Map<string, TypingKind>())
  const presence = reactive(new Map<string, Presence>())
  const ringing = reactive(new Map<string, Ringing>())
  const ringingTimers = new Map<string, ReturnType<typeof setTimeout>>()
  const lastInbound = shallowRef<Message | null>(null)
  const listeners = new Set<Listener>()
  const typingTimers = new Map<string, ReturnType<typeof setTimeout>>()
  let connection: EventConnection | null = null
  let offlineTimer: ReturnType<typeof setTimeout> | undefined
  let onRefused: (code: number) => void = () => undefined

  function setState(next: StreamState): void {
    if (next === 'live') {
      clearTimeout(offlineTimer)
      offlineTimer = undefined
      offline.value = false
      outbox.resume()
    } else if (next === 'stopped') {
      clearTimeout(offlineTimer)
      offlineTimer = undefined
    } else if (!navigator.onLine) offline.value = true
    else offlineTimer ??= setTimeout(() => (offline.value = true), OFFLINE_AFTER_MS)
    // Who types is only known while the stream is heard.
    if (next !== 'live') {
      for (const chatId of [...typing.keys()]) setTyping(chatId, null)
      for (const chatId of [...ringing.keys()]) setRinging(chatId, null)
      presence.clear()
    }
    if ((next === 'live') !== (state.value === 'live')) since.value = Date.now()
    state.value = next
  }

  function setTyping(chatId: string, kind: TypingKind | null): void {
    clearTimeout(typingTimers.get(chatId))
    typingTimers.delete(chatId)
    if (!kind) {
      typing.delete(chatId)
      return
    }
    typing.set(chatId, kind)
    typingTimers.set(
      chatId,
      setTimeout(() => setTyping(chatId, null), TYPING_MS)
    )
  }

  function setRinging(chatId: string, call: Ringing | null): void {
    clearTimeout(ringingTimers.get(chatId))
    ringingTimers.delete(chatId)
    if (!call) {
      ringing.delete(chatId)
      return
    }
    ringing.set(chatId, call)
    ringingTimers.set(
      chatId,
      setTimeout(() => setRinging(chatId, null), RINGING_MS)
    )
  }

  function onEvents(events: LogEvent[]): void {
    const plan = planEvents(events)
    for (const id of plan.inbound) {
      const chatId = plan.messages.get(id)
      if (chatId) setTyping(chatId, null)
    }
    for (const event of events) for (const listener of listeners) listener(event)
    void applyPlan(cache, plan, {
      settled: outbox.settled,
      inbound: (message) => (lastInbound.value = message)
    })
  }

  function onEphemeral(event: EphemeralEvent): void {
    if (event.name === 'session.qr') {
      const accountId = textOf(event.data, 'account_id') ?? event.account_id
      if (!accountId) return
      void cache.invalidateQueries({ queryKey: keys.qr(accountId) })
      void cache.invalidateQueries({ queryKey: keys.account(accountId) })
    } else if (event.name === 'typing') {
      const chatId = textOf(event.data, 'chat_id')
      const kind = textOf(event.data, 'state')
      if (chatId) setTyping(chatId, kind === 'composing' || kind === 'recording' ? kind : null)
    } else if (event.name === 'call') {
      const chatId = textOf(event.data, 'chat_id')
      const callId = textOf(event.data, 'call_id')
      const rings = event.data.state === 'ringing' && callId !== null
      if (chatId) setRinging(chatId, rings ? { callId, video: event.data.video === true } : null)
    } else if (event.name === 'presence') {
      const chatId = textOf(event.data, 'chat_id')
      if (chatId) presence.set(chatId, { online: event.data.available === true, lastSeen: textOf(event.data, 'last_seen') })
    }
  }

  function start(workspaceId: string, head: number, refused: (code: number) => void): void {
    stop()
    onRefused = refused
    const base = location.origin.replace(/^http/, 'ws')
    connection = new EventConnection(
      (after) => `${base}/api/v1/events/ws?after=${after}&workspace=${workspaceId}`,
      head,
      {
        state: setState,
        events: onEvents,
        ephemeral: onEphemeral,
        expired: async () => {
          const position = await readHead()
          await cache.invalidateQueries()
          return position
        },
        refused: (code) => onRefused(code)
      }
    )
    connection.start()
  }

  function stop(): void {
    connection?.stop()
    connection = null
  }

  function listen(listener: Listener): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  return { state, offline, since, typing, presence, ringing, lastInbound, live: computed(() => state.value === 'live'), start, stop, listen }
})
