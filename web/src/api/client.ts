/** The typed HTTP client: generated paths, session headers added, every failure thrown as `ApiError`. */
import createClient, { type Middleware } from 'openapi-fetch'

import { csrf, currentWorkspace } from './context'
import { fromProblem, toApiError } from './errors'
import type { paths } from './schema'

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

export function sessionHeaders(method: string): Record<string, string> {
  const headers: Record<string, string> = {}
  const workspace = currentWorkspace()
  if (workspace) headers['X-Workspace'] = workspace
  const token = csrf()
  if (token && !SAFE.has(method.toUpperCase())) headers['X-CSRF-Token'] = token
  return headers
}

const session: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(sessionHeaders(request.method))) request.headers.set(name, value)
    return request
  }
}

export const client = createClient<paths>({ baseUrl: '', credentials: 'same-origin' })
client.use(session)

interface Answer<T> {
  data?: T
  error?: unknown
  response: Response
}

/** Waits for an answer and returns its body; throws `ApiError` for problem details and for a network that is away. */
export async function unwrap<T>(answer: Promise<Answer<T>>): Promise<T> {
  let result: Answer<T>
  try {
    result = await answer
  } catch (error) {
    throw toApiError(error)
  }
  if (!result.response.ok) throw fromProblem(result.response, result.error)
  return result.data as T
}
