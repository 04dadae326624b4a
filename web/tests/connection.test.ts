/** The stream's connection: resumes from the last position, asks again after expiry, gives up when refused. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { EventConnection, retryDelay, type StreamHandlers } from '@/api/stream/connection'
import { CLOSE, parseFrame } from '@/api/stream/frames'

class FakeSocket {
  static all: FakeSocket[] = []
  onmessage: ((message: { data: string }) => void) | null = null
  onclose: ((close: { code: number }) => void) | null = null
  sent: string[] = []
  constructor(readonly url: string) {
    FakeSocket.all.push(this)
  }
  send(text: string): void {
    this.sent.push(text)
  }
  close(): void {}
  hear(frame: unknown): void {
    this.onmessage?.({ data: JSON.stringify(frame) })
  }
}

const stored = (position: number) => ({ type: 'event', event: { id: `e${position}`, position, name: 'chat.updated', occurred_at: '', data: {} } })

describe('the event connection', () => {
  let handlers: StreamHandlers
  let seen: number[]
  let connection: EventConnection
  const socket = () => FakeSocket.all.at(-1)!

  beforeEach(() => {
    vi.useFakeTimers()
    FakeSocket.all = []
    vi.stubGlobal('WebSocket', FakeSocket)
    seen = []
    handlers = {
      state: vi.fn(),
      events: (events) => seen.push(...events.map((event) => event.position)),
      ephemeral: vi.fn(),
      expired: vi.fn(async () => 90),
      refused: vi.fn()
    }
    connection = new EventConnection((after) => `ws://test/?after=${after}`, 5, handlers)
    connection.start()
  })
  afterEach(() => {
    connection.stop()
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  it('hands a burst over in one piece, in order and without repeats', () => {
    const batches: number[] = []
    handlers.events = (events) => batches.push(events.length)
    for (const position of [6, 7, 7, 6, 8]) socket().hear(stored(position))
    vi.advanceTimersByTime(100)
    expect(batches).toEqual([3])
  })

  it('resumes after the last event it has seen', async () => {
    socket().hear(stored(6))
    socket().hear(stored(9))
    socket().onclose?.({ code: 1006 })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(socket().url).toBe('ws://test/?after=9')
    expect(seen).toEqual([6, 9])
  })

  it('starts from a new position when the log no longer reaches back', async () => {
    socket().onclose?.({ code: CLOSE.positionExpired })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(handlers.expired).toHaveBeenCalledOnce()
    expect(socket().url).toBe('ws://test/?after=90')
  })

  it('does not come back when it is refused', async () => {
    socket().onclose?.({ code: CLOSE.unauthenticated })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(handlers.refused).toHaveBeenCalledWith(CLOSE.unauthenticated)
    expect(FakeSocket.all).toHaveLength(1)
  })

  it('answers a ping', () => {
    socket().hear({ type: 'ping' })
    expect(socket().sent).toEqual(['{"type":"pong"}'])
  })

  it('leaves a server that has gone silent', async () => {
    socket().hear({ type: 'ready', head: 5 })
    await vi.advanceTimersByTimeAsync(40_000)
    expect(handlers.state).toHaveBeenCalledWith('waiting')
    expect(FakeSocket.all.length).toBeGreaterThan(1)
  })

  it('waits longer after each failure, with jitter and a limit', () => {
    expect(retryDelay(0, () => 0.5)).toBe(300)
    expect(retryDelay(2, () => 0.5)).toBe(1_200)
    expect(retryDelay(30, () => 1)).toBe(5_000)
    expect(retryDelay(1, () => 0)).toBeLessThan(retryDelay(1, () => 1))
  })
})

describe('a frame', () => {
  it('is ignored when it is not understood', () => {
    for (const text of ['', 'x', 'null', '{}', '{"type":"event"}', '{"type":"event","event":{"name":"a"}}']) {
      expect(parseFrame(text)).toBeNull()
    }
  })

  it('may carry ephemeral fields under data or beside the name', () => {
    const beside = parseFrame('{"type":"ephemeral","event":{"name":"typing","chat_id":"c"}}')
    const under = parseFrame('{"type":"ephemeral","event":{"name":"typing","data":{"chat_id":"c"}}}')
    for (const frame of [beside, under]) {
      expect(frame?.type === 'ephemeral' && frame.event.data.chat_id).toBe('c')
    }
  })
})
