/** One WebSocket that resumes: keeps the last position, reconnects with back-off and jitter, notices a silent server. */
import { CLOSE, type EphemeralEvent, parseFrame } from './frames'
import type { LogEvent } from '../types'

export type StreamState = 'connecting' | 'live' | 'waiting' | 'stopped'

export interface StreamHandlers {
  state: (state: StreamState) => void
  events: (events: LogEvent[]) => void
  ephemeral: (event: EphemeralEvent) => void
  /** The log no longer reaches back to our position: everything cached must be read again. Returns the new position. */
  expired: () => Promise<number>
  /** The session ended or may not listen; no reconnection follows. */
  refused: (code: number) => void
}

const BATCH_MS = 40
/** The server pings every 15 s; two missed pings and a margin. */
const SILENCE_MS = 35_000
const FIRST_RETRY_MS = 300
const MAX_RETRY_MS = 4_000

/** Delay before the n-th retry (n from 0): doubling with ±25 % jitter, so that a thousand pages do not return at once. */
export function retryDelay(attempt: number, random: () => number = Math.random): number {
  const base = Math.min(FIRST_RETRY_MS * 2 ** attempt, MAX_RETRY_MS)
  return base * (0.75 + random() * 0.5)
}

export class EventConnection {
  private socket: WebSocket | null = null
  private attempt = 0
  private queue: LogEvent[] = []
  private flushTimer: ReturnType<typeof setTimeout> | undefined
  private retryTimer: ReturnType<typeof setTimeout> | undefined
  private silenceTimer: ReturnType<typeof setTimeout> | undefined
  private stopped = false

  constructor(
    private readonly url: (after: number) => string,
    private position: number,
    private readonly handlers: StreamHandlers
  ) {}

  start(): void {
    window.addEventListener('online', this.hurry)
    window.addEventListener('offline', this.lost)
    this.open()
  }

  stop(): void {
    this.stopped = true
    window.removeEventListener('online', this.hurry)
    window.removeEventListener('offline', this.lost)
    for (const timer of [this.flushTimer, this.retryTimer, this.silenceTimer]) clearTimeout(timer)
    this.drop()
    this.handlers.state('stopped')
  }

  private open(): void {
    if (this.stopped) return
    clearTimeout(this.retryTimer)
    this.handlers.state('connecting')
    const socket = new WebSocket(this.url(this.position))
    this.socket = socket
    socket.onmessage = (message) => this.read(socket, String(message.data))
    socket.onclose = (close) => {
      if (this.socket === socket) void this.closed(close.code)
    }
    this.watch()
  }

  private drop(): void {
    const socket = this.socket
    this.socket = null
    if (!socket) return
    socket.onmessage = null
    socket.onclose = null
    socket.close()
  }

  private read(socket: WebSocket, text: string): void {
    this.watch()
    const frame = parseFrame(text)
    if (!frame) return
    if (frame.type === 'ping') socket.send('{"type":"pong"}')
    else if (frame.type === 'ready') {
      this.attempt = 0
      this.handlers.state('live')
    } else if (frame.type === 'ephemeral') this.handlers.ephemeral(frame.event)
    else if (frame.event.position > this.position) {
      this.position = frame.event.position
      this.queue.push(frame.event)
      this.flushTimer ??= setTimeout(this.flush, BATCH_MS)
    }
  }

  private readonly flush = (): void => {
    this.flushTimer = undefined
    const batch = this.queue
    this.queue = []
    if (batch.length > 0) this.handlers.events(batch)
  }

  /** Restarts the clock that ends a connection on which nothing has been heard. */
  private watch(): void {
    clearTimeout(this.silenceTimer)
    this.silenceTimer = setTimeout(this.lost, SILENCE_MS)
  }

  private readonly lost = (): void => {
    this.drop()
    void this.closed(1006)
  }

  private readonly hurry = (): void => {
    if (this.socket) return
    this.attempt = 0
    this.open()
  }

  private async closed(code: number): Promise<void> {
    this.socket = null
    clearTimeout(this.silenceTimer)
    if (this.stopped) return
    if (code === CLOSE.unauthenticated || code === CLOSE.forbidden) {
      this.stop()
      this.handlers.refused(code)
      return
    }
    this.handlers.state('waiting')
    if (code === CLOSE.positionExpired || code === CLOSE.badRequest) {
      try {
        this.position = await this.handlers.expired()
      } catch {
        // Asked again at the next attempt, after the usual delay.
      }
    }
    clearTimeout(this.retryTimer)
    this.retryTimer = setTimeout(() => this.open(), retryDelay(this.attempt++))
  }
}
