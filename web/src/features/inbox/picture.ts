/** What may be sent as a picture. The limit is WhatsApp's own for pictures. */

export const PICTURE_TYPES = ['image/jpeg', 'image/png', 'image/webp', 'image/gif']
export const LARGEST_PICTURE_BYTES = 5 * 1024 * 1024

/** The key of the sentence that says why this file cannot be sent, or null when it can. */
export function checkPicture(file: Pick<File, 'type' | 'size'>): string | null {
  if (!PICTURE_TYPES.includes(file.type)) return 'inbox.pictureType'
  return file.size > LARGEST_PICTURE_BYTES ? 'inbox.pictureSize' : null
}
