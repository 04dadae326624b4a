/** Files on their way: how each is sent, what is refused before it is uploaded, and how facts of files are written. */
import { describe, expect, it } from 'vitest'

import { acceptOf, bodyOf, kindFor, problemOf } from '@/features/inbox/media/attachments'
import { clock, fileSize, formatOf, heights } from '@/features/inbox/media/file'

const of = (type: string, size = 1000) => ({ type, size })
const file = new File(['x'], 'a')

describe('a file that is dropped', () => {
  it('is sent as what it is', () => {
    expect(['image/png', 'image/gif', 'video/webm', 'audio/mpeg', 'application/pdf', ''].map((type) => kindFor(of(type)))).toEqual([
      'image',
      'loop',
      'video',
      'audio',
      'document',
      'document'
    ])
    expect(kindFor(of('image/svg+xml'))).toBe('document')
  })

  it('is refused before it is uploaded when it cannot be sent so', () => {
    expect(problemOf('image', of('image/png'))).toBeNull()
    expect(problemOf('image', of('application/pdf'))?.key).toBe('media.wrongType.image')
    expect(problemOf('image', of('image/png', 26 * 1024 * 1024))).toEqual({ key: 'media.tooLarge', mb: 25 })
    expect(problemOf('document', of('', 0))?.key).toBe('media.empty')
    expect(problemOf('loop', of('video/mp4'))).toBeNull()
    expect(problemOf('note', of('image/gif'))?.key).toBe('media.wrongType.note')
  })

  it('opens a dialog that shows what fits', () => {
    expect(acceptOf('video')).toBe('video/*')
    expect(acceptOf('document')).toBe('*')
  })
})

describe('the request', () => {
  it('carries the way of sending, and a caption only where one can stand', () => {
    expect(bodyOf({ file, kind: 'loop', once: false }, 'wow')).toEqual({ type: 'video', content: { caption: 'wow', animated: true } })
    expect(bodyOf({ file, kind: 'voice', once: true }, 'x')).toEqual({ type: 'audio', content: { view_once: true, voice: true } })
    expect(bodyOf({ file, kind: 'sticker', once: true }, 'x')).toEqual({ type: 'sticker', content: {} })
    expect(bodyOf({ file, kind: 'image', once: true }, '')).toEqual({ type: 'image', content: { view_once: true } })
  })
})

describe('facts of files', () => {
  it('are written as people write them', () => {
    expect([7, 75.4, 3723].map(clock)).toEqual(['0:07', '1:15', '1:02:03'])
    expect([812, 3400, 4_240_000].map((bytes) => fileSize(bytes, 'en'))).toEqual(['812B', '3kB', '4.2MB'])
    expect(formatOf('offer.Pdf', 'x/y')).toBe('PDF')
    expect(formatOf(null, 'audio/ogg; codecs=opus')).toBe('OGG')
  })

  it('draw any number of samples with the bars that there are', () => {
    expect(heights([0, 100, 50, 20], 2)).toEqual([1, 0.5])
    expect(heights([100], 3)).toEqual([1, 1, 1])
    expect(heights(null, 2)).toHaveLength(2)
  })
})
