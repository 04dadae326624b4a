import { afterEach, describe, expect, it, vi } from 'vitest'

import { helperScript, mayAskHere, readAnswer } from '../src/features/numbers/passkey'

const OPTIONS = { challenge: 'c2lnbg', rpId: 'whatsapp.com', allowCredentials: [] }

describe('passkeys', () => {
  afterEach(() => vi.unstubAllGlobals())

  it('are asked for only where a browser would sign', () => {
    vi.stubGlobal('PublicKeyCredential', class {})
    expect(mayAskHere(OPTIONS, 'web.whatsapp.com')).toBe(true)
    expect(mayAskHere(OPTIONS, 'whatsapp.com')).toBe(true)
    expect(mayAskHere(OPTIONS, 'notwhatsapp.com')).toBe(false)
    expect(mayAskHere(OPTIONS, 'blazz.example')).toBe(false)
    expect(mayAskHere({}, 'blazz.example')).toBe(false)
  })

  it('are carried as a script that holds the question and nothing else', () => {
    const script = helperScript({ ...OPTIONS, challenge: '"); evil("' })
    expect(script).toContain('"rpId":"whatsapp.com"')
    expect(script).toContain('\\"); evil(\\"')
  })

  it('come back as an object or not at all', () => {
    expect(readAnswer(' {"id":"a","response":{}} ')).toEqual({ id: 'a', response: {} })
    for (const text of ['', 'nonsense', '[]', '"x"', '{"id":"a"}', 'null']) expect(readAnswer(text)).toBeNull()
  })
})
