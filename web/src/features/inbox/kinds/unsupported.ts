/** Kinds that are not drawn here, in a sentence that says what came and where it can be seen. */

/** Our names for WhatsApp's; the sentences stand under `kinds.other`. */
const NAMES: Record<string, string> = {
  keepInChatMessage: 'kept',
  encEventResponseMessage: 'eventAnswer',
  eventMessage: 'event',
  eventInviteMessage: 'event',
  groupInviteMessage: 'groupInvitation',
  productMessage: 'product',
  orderMessage: 'order',
  invoiceMessage: 'payment',
  sendPaymentMessage: 'payment',
  requestPaymentMessage: 'payment',
  declinePaymentRequestMessage: 'payment',
  cancelPaymentRequestMessage: 'payment',
  paymentInviteMessage: 'payment',
  paymentReminderMessage: 'payment',
  requestPhoneNumberMessage: 'phoneRequest',
  stickerPackMessage: 'stickers',
  scheduledCallCreationMessage: 'plannedCall',
  scheduledCallEditMessage: 'plannedCall',
  pollResultSnapshotMessage: 'pollResult',
  pollResultSnapshotMessageV3: 'pollResult',
  newsletterAdminInviteMessage: 'channelInvitation',
  undecryptable: 'undecryptable',
  unprocessable: 'unprocessable'
}

type Translate = (key: string, values?: Record<string, unknown>) => string

/** The sentence for a message of the kind that WhatsApp calls `kind`; one without a sentence of its own is named. */
export function unsupportedText(kind: string | null | undefined, t: Translate): string {
  const known = NAMES[kind ?? '']
  if (known) return t(`kinds.other.${known}`)
  // `limitSharingMessage` is "limit sharing"
  const name = (kind ?? '').replace(/Message(V\d+)?$/, '').replace(/([a-z\d])([A-Z])/g, '$1 $2').toLowerCase()
  return name ? t('kinds.other.named', { name }) : t('kinds.unsupported')
}
