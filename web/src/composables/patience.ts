/** Trying again by itself while the network is away. */
import { toApiError } from '@/api/errors'

/** Pauses before each further attempt. */
const PAUSES_MS = [800, 2_000, 5_000]

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Runs `action` until it succeeds, is refused, or the pauses are used up; throws `ApiError`. */
export async function patiently<T>(action: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await action()
    } catch (caught) {
      const error = toApiError(caught)
      const pause = PAUSES_MS[tries]
      if (!error.transient || pause === undefined) throw error
      await wait(pause)
    }
  }
}
