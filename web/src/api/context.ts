/** What every request carries besides its body: the chosen workspace and the anti-forgery token. */

let workspaceId: string | null = null
let csrfToken: string | null = null

export function setWorkspace(id: string | null): void {
  workspaceId = id
}

export function currentWorkspace(): string | null {
  return workspaceId
}

/** Keeps the token of `GET /me` for the case that the readable cookie is not visible to scripts. */
export function setCsrfToken(token: string | null): void {
  csrfToken = token
}

export function csrf(): string | null {
  const match = /(?:^|;\s*)blazz_csrf=([^;]+)/.exec(document.cookie)
  return match?.[1] ? decodeURIComponent(match[1]) : csrfToken
}
