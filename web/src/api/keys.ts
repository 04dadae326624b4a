/** The keys under which server state is cached; one place, so that the event stream and the pages agree. */

export interface ChatFilters {
  search: string
  accountId: string | null
  unread: boolean
  archived?: boolean
  /** Id of a label that the chats must carry. */
  label?: string | null
}

export const keys = {
  authStatus: ['auth-status'] as const,
  me: ['me'] as const,
  chatLists: ['chats'] as const,
  chatList: (filters: ChatFilters) => ['chats', filters] as const,
  chat: (id: string) => ['chat', id] as const,
  older: (chatId: string) => ['older', chatId] as const,
  allMessages: ['messages'] as const,
  messages: (chatId: string) => ['messages', chatId] as const,
  pinned: (chatId: string) => ['pinned', chatId] as const,
  message: (id: string) => ['message', id] as const,
  messageReceipts: (id: string) => ['message', id, 'receipts'] as const,
  group: (id: string) => ['group', id] as const,
  groupRequests: (id: string) => ['group', id, 'requests'] as const,
  messageChanges: (id: string) => ['message', id, 'changes'] as const,
  accounts: ['accounts'] as const,
  account: (id: string) => ['account', id] as const,
  numberProfile: (accountId: string) => ['account', accountId, 'profile'] as const,
  numberHistory: (accountId: string) => ['account', accountId, 'history'] as const,
  labels: ['labels'] as const,
  numberPrivacy: (accountId: string) => ['account', accountId, 'privacy'] as const,
  passkey: (accountId: string) => ['passkey', accountId] as const,
  qr: (accountId: string) => ['qr', accountId] as const,
  contactLists: ['contacts'] as const,
  contactList: (search: string) => ['contacts', search] as const,
  contact: (id: string) => ['contact', id] as const,
  contactHistory: (id: string) => ['contact', id, 'history'] as const,
  members: ['members'] as const,
  invitations: ['invitations'] as const,
  apiKeys: ['api-keys'] as const,
  events: ['events'] as const,
  /** Everything about the cluster; its parts begin with this. */
  allCluster: ['cluster'] as const,
  cluster: ['cluster', 'overview'] as const,
  clusterAdvice: ['cluster', 'advice'] as const,
  clusterWorkspaces: (instance: string | null) => ['cluster', 'workspaces', instance] as const,
  clusterMoves: (instance: string | null) => ['cluster', 'moves', instance] as const,
  clusterOperations: ['cluster', 'operations'] as const,
  clusterQueue: ['cluster', 'queue'] as const,
  clusterEvents: ['cluster', 'events'] as const,
  rebalancePreview: (mode: string) => ['rebalance-preview', mode] as const,
  plan: (query: object) => ['plan', query] as const
}
