/**
 * Passkeys of WhatsApp. Their relying party is whatsapp.com, and a browser signs for it on WhatsApp's own pages only: so
 * the question is carried there, and the answer back.
 */

type Json = Record<string, unknown>

/** Whether a browser would sign these options on this host: the relying party is the host, or above it. */
export function mayAskHere(options: Json, host: string): boolean {
  const party = typeof options.rpId === 'string' ? options.rpId : ''
  return party !== '' && (host === party || host.endsWith(`.${party}`)) && typeof PublicKeyCredential !== 'undefined'
}

/** What to run on web.whatsapp.com: it asks the browser for the passkey and shows the answer to be copied. */
export function helperScript(options: Json): string {
  return [
    '(async () => {',
    `  const options = PublicKeyCredential.parseRequestOptionsFromJSON(${JSON.stringify(options)});`,
    '  const credential = await navigator.credentials.get({ publicKey: options });',
    '  const answer = JSON.stringify(credential.toJSON());',
    '  console.log(answer);',
    '  prompt("Copy this answer into Blazz", answer);',
    '})();'
  ].join('\n')
}

/** The answer as an object, or null for what cannot be one. */
export function readAnswer(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text.trim())
    return typeof value === 'object' && value !== null && 'response' in value ? (value as Json) : null
  } catch {
    return null
  }
}

/** Ask this browser; only where `mayAskHere` says that it may work. */
export async function signHere(options: Json): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as unknown as PublicKeyCredentialRequestOptionsJSON)
  const credential = await navigator.credentials.get({ publicKey })
  if (!(credential instanceof PublicKeyCredential)) throw new Error('no passkey')
  return credential.toJSON()
}
