/** The one error of the API client: RFC 9457 problem details, or "the network did not answer" as code `network`. */

export interface FieldProblem {
  field: string
  message: string
  code?: string
}

interface ProblemBody {
  title?: string
  detail?: string | null
  code?: string
  request_id?: string | null
  errors?: FieldProblem[] | null
  oldest?: number
}

export class ApiError extends Error {
  override readonly name = 'ApiError'

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId: string | null = null,
    readonly fields: FieldProblem[] = [],
    readonly retryAfterSeconds: number | null = null,
    /** For an expired position of the event log: the first position that still exists. */
    readonly oldest: number | null = null
  ) {
    super(message)
  }

  /** True when repeating the same request may succeed: nothing was answered, or the server was overloaded. */
  get transient(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500
  }
}

export function fromProblem(response: Response, body: unknown): ApiError {
  const problem = (typeof body === 'object' && body !== null ? body : {}) as ProblemBody
  const message = problem.detail || problem.title || response.statusText || `HTTP ${response.status}`
  const retryAfter = Number(response.headers.get('Retry-After'))
  return new ApiError(
    response.status,
    problem.code ?? 'unknown',
    message,
    problem.request_id ?? response.headers.get('X-Request-Id'),
    problem.errors ?? [],
    Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null,
    problem.oldest ?? null
  )
}

export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  return new ApiError(0, 'network', error instanceof Error ? error.message : String(error))
}
