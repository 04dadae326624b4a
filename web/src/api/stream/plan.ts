/** Pure reducer of the event stream: folds a burst of events into the fewest reads and patches the cache needs. */
import type { LogEvent, Message, MessageState } from '../types'
import { textOf } from './frames'

export interface StatusPatch {
  chatId: string
  state: MessageState
  error: Message['error']
  /** Of a message in a group: how many it has reached now. */
  receipts?: Message['receipts']
}

export interface Plan {
  /** Newest state per message id; older states of the same burst are already folded in. */
  statuses: Map<string, StatusPatch>
  /** New messages to read, with their chat. */
  messages: Map<string, string>
  /** Messages that look different now, with their chat; read again where they are shown. */
  changed: Map<string, string>
  /** Chats whose pinned messages may be others now, or say something else. */
  pins: Set<string>
  /** Of the new ones, those that a customer wrote; they are announced to screen readers. */
  inbound: Set<string>
  chats: Set<string>
  accounts: Set<string>
  contacts: Set<string>
  /** Chats into whose middle messages have come; what is shown of them is read again. */
  refilled: Set<string>
  /** Groups that have changed. */
  groups: Set<string>
  /** Numbers whose import of history has gone on. */
  imports: Set<string>
  /** Files that came, failed or were converted; messages that show one are read again. */
  media: Set<string>
  labelsChanged: boolean
  accountListChanged: boolean
  contactListChanged: boolean
}

/** Events that tell of a message already known that it changed. */
const CHANGES = new Set(['message.reaction', 'message.edited', 'message.deleted', 'message.updated'])

/** The order of states; a message never goes back to an earlier one. */
const RANK: Record<MessageState, number> = {
  received: 0,
  pending: 0,
  sent: 1,
  delivered: 2,
  read: 3,
  played: 4,
  failed: 5
}

/** The state to show when `next` is heard while `current` is shown. A failure may be followed by a successful retry. */
export function advance(current: MessageState, next: MessageState): MessageState {
  if (current === 'failed') return next
  if (next === 'failed') return current === 'pending' ? 'failed' : current
  return RANK[next] > RANK[current] ? next : current
}

export function planEvents(events: readonly LogEvent[]): Plan {
  const plan: Plan = {
    statuses: new Map(),
    messages: new Map(),
    changed: new Map(),
    pins: new Set(),
    inbound: new Set(),
    chats: new Set(),
    accounts: new Set(),
    contacts: new Set(),
    refilled: new Set(),
    groups: new Set(),
    imports: new Set(),
    media: new Set(),
    labelsChanged: false,
    accountListChanged: false,
    contactListChanged: false
  }
  for (const event of events) fold(plan, event)
  return plan
}

function fold(plan: Plan, event: LogEvent): void {
  const data = event.data as Record<string, unknown>
  const chatId = textOf(data, 'chat_id')
  const messageId = textOf(data, 'message_id')
  if (event.name.startsWith('message.')) foldMessage(plan, event.name, data, chatId, messageId)
  else if (event.name === 'chat.updated' && chatId) {
    plan.chats.add(chatId)
    if (data.emptied) plan.refilled.add(chatId)
  } else if (event.name.startsWith('group.')) {
    const groupId = textOf(data, 'group_id')
    if (groupId) plan.groups.add(groupId)
    if (chatId) plan.chats.add(chatId)
  } else if (event.name === 'history.progress') foldHistory(plan, event, data)
  else if (event.name === 'labels.updated') plan.labelsChanged = true
  else if (event.name === 'media.updated') {
    const mediaId = textOf(data, 'media_id')
    if (mediaId) plan.media.add(mediaId)
  }
  else if (event.name.startsWith('session.') || event.name.startsWith('account.')) {
    const accountId = textOf(data, 'account_id') ?? event.account_id
    if (accountId) plan.accounts.add(accountId)
    plan.accountListChanged = true
  } else if (event.name.startsWith('contact.')) {
    const contactId = textOf(data, 'contact_id')
    if (contactId) plan.contacts.add(contactId)
    const merged = textOf(data, 'merged_contact_id')
    if (merged) plan.contacts.add(merged)
    plan.contactListChanged = true
  }
}

function foldHistory(plan: Plan, event: LogEvent, data: Record<string, unknown>): void {
  if (event.account_id) plan.imports.add(event.account_id)
  for (const id of Array.isArray(data.chat_ids) ? data.chat_ids : []) {
    if (typeof id !== 'string') continue
    plan.chats.add(id)
    plan.refilled.add(id)
  }
}

function foldMessage(
  plan: Plan,
  name: string,
  data: Record<string, unknown>,
  chatId: string | null,
  messageId: string | null
): void {
  if (!messageId || !chatId) return
  if (name === 'message.status') {
    const state = textOf(data, 'state') as MessageState | null
    if (!state || !(state in RANK)) return
    const before = plan.statuses.get(messageId)
    const error = (data.error ?? null) as Message['error']
    const next = before ? advance(before.state, state) : state
    const receipts = (data.receipts as Message['receipts']) ?? before?.receipts
    plan.statuses.set(messageId, { chatId, state: next, error: next === 'failed' ? error : null, ...(receipts && { receipts }) })
    return
  }
  if (CHANGES.has(name)) {
    if (!plan.messages.has(messageId)) plan.changed.set(messageId, chatId)
    if (name !== 'message.reaction' && !data.poll_vote && !data.moved) plan.pins.add(chatId)
    // The list shows the newest message's text, which a reaction leaves as it is.
    if (name !== 'message.reaction') plan.chats.add(chatId)
    return
  }
  plan.changed.delete(messageId)
  plan.messages.set(messageId, chatId)
  plan.chats.add(chatId)
  // What a feed publishes is nobody's message to us: it is not announced.
  if (name === 'message.received' && !data.chat_kind) plan.inbound.add(messageId)
}
