/** A page open over a deploy: it starts anew once, keeps what was typed, and never loses what has not left. */
import { beforeEach, describe, expect, it, vi } from 'vitest'

import { createUpdater, entryOf, RESTART_AFTER_MS } from '@/app/update'
import { keepDrafts, takeDrafts } from '@/composables/drafts'

const surroundings = () => ({
  newer: vi.fn(async () => true),
  idle: vi.fn(async () => true),
  keep: vi.fn(),
  restart: vi.fn(),
  ask: vi.fn<(notice: string, reload: () => void) => void>(),
  tell: vi.fn(),
  storage: sessionStorage
})

beforeEach(() => {
  sessionStorage.clear()
  vi.useRealTimers()
})

describe('a part of the page that is gone from the server', () => {
  it('starts the page anew where the person wanted to go, and says so afterwards, once', async () => {
    const around = surroundings()
    const updater = createUpdater(around)
    const missing = updater.missing()
    updater.wanted('/contacts')
    await missing
    expect(around.keep).toHaveBeenCalledBefore(around.restart)
    expect(around.restart).toHaveBeenCalledExactlyOnceWith('/contacts')
    expect(around.ask).not.toHaveBeenCalled()

    const next = createUpdater(around)
    next.started()
    next.started()
    expect(around.tell).toHaveBeenCalledOnce()
  })

  it('does not start anew again and again, but asks', async () => {
    vi.useFakeTimers()
    const around = surroundings()
    await createUpdater(around).missing()
    await createUpdater(around).missing()
    expect(around.restart).toHaveBeenCalledOnce()
    expect(around.ask).toHaveBeenCalledExactlyOnceWith('updated', expect.any(Function))

    vi.advanceTimersByTime(RESTART_AFTER_MS)
    await createUpdater(around).missing()
    expect(around.restart).toHaveBeenCalledTimes(2)
  })

  it('asks first when a message could not leave, and obeys', async () => {
    const around = { ...surroundings(), idle: vi.fn(async () => false) }
    await createUpdater(around).missing()
    expect(around.restart).not.toHaveBeenCalled()
    around.ask.mock.calls[0]![1]()
    expect(around.keep).toHaveBeenCalledOnce()
    expect(around.restart).toHaveBeenCalledExactlyOnceWith(null)
  })

  it.each([
    ['is of the same version', async () => false],
    ['cannot be reached', async () => Promise.reject(new Error('away'))]
  ])('speaks of no update when the server %s', async (_what, newer) => {
    const around = { ...surroundings(), newer }
    await createUpdater(around).missing()
    expect(around.restart).not.toHaveBeenCalled()
    expect(around.ask).toHaveBeenCalledExactlyOnceWith('incomplete', expect.any(Function))
  })

  it('counts many parts that are missing at one time as one', async () => {
    const around = surroundings()
    const updater = createUpdater(around)
    await Promise.all([updater.missing(), updater.missing(), updater.missing()])
    expect(around.restart).toHaveBeenCalledOnce()
  })
})

describe('the version of a page', () => {
  it('is the name of the script that it starts with', () => {
    const page = new DOMParser().parseFromString('<script src="/theme.js"></script><script type="module" src="/assets/index-Ab1.js"></script>', 'text/html')
    expect(entryOf(page)).toBe('/assets/index-Ab1.js')
    expect(entryOf(new DOMParser().parseFromString('<p>Away</p>', 'text/html'))).toBeNull()
  })
})

describe('drafts over a restart', () => {
  it('come back once', () => {
    keepDrafts(new Map([['chat-1', 'Dear Ayu,\n']]))
    expect(takeDrafts()).toEqual(new Map([['chat-1', 'Dear Ayu,\n']]))
    expect(takeDrafts().size).toBe(0)
  })

  it.each(['{', '{"a":1}', '[["chat-1"],["chat-2",3],null]'])('are none when what is kept is %s', (kept) => {
    sessionStorage.setItem('blazz-drafts', kept)
    expect(takeDrafts().size).toBe(0)
  })
})
