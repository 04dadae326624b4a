/** Short names for the shapes of the API, taken from the answers and bodies of its routes in the generated document. */
import type { paths } from './schema'

type Path = keyof paths
type Json<T> = T extends { content: { 'application/json': infer Body } } ? Body : never
type Answer<P extends Path, M extends keyof paths[P], S extends number> = paths[P][M] extends {
  responses: Record<S, infer R>
}
  ? Json<R>
  : never
type Body<P extends Path, M extends keyof paths[P]> = paths[P][M] extends { requestBody: infer B } ? Json<B> : never
type Item<P extends Path> = Answer<P, 'get', 200> extends { data: (infer T)[] } ? T : never

export type AuthStatus = Answer<'/api/v1/auth/status', 'get', 200>
export type Me = Answer<'/api/v1/me', 'get', 200>
export type User = Me['user']
export type Membership = Me['memberships'][number]
export type Workspace = Membership['workspace']
export type Member = Item<'/api/v1/members'>
export type Role = Member['role']
export type Invitation = Item<'/api/v1/invitations'>
export type InvitationCreated = Answer<'/api/v1/invitations', 'post', 201>
export type InvitationLookup = Answer<'/api/v1/invitations/lookup', 'get', 200>
export type ApiKey = Item<'/api/v1/api-keys'>
export type ApiKeyCreated = Answer<'/api/v1/api-keys', 'post', 201>
export type Account = Answer<'/api/v1/accounts/{account_id}', 'get', 200>
export type AccountStatus = Account['status']
export type Passkey = Answer<'/api/v1/accounts/{account_id}/passkey', 'get', 200>
export type PasskeyCredential = Body<'/api/v1/accounts/{account_id}/passkey', 'post'>['credential']
export type Qr = Answer<'/api/v1/accounts/{account_id}/qr', 'get', 200>
export type PairingCode = Answer<'/api/v1/accounts/{account_id}/pairing-code', 'post', 200>
export type Contact = Answer<'/api/v1/contacts/{contact_id}', 'get', 200>
export type ContactHistoryEntry = Item<'/api/v1/contacts/{contact_id}/history'>
export type NumberProfile = Answer<'/api/v1/accounts/{account_id}/profile', 'get', 200>
export type NumberProfileChange = Body<'/api/v1/accounts/{account_id}/profile', 'patch'>
export type NumberPrivacy = Answer<'/api/v1/accounts/{account_id}/privacy', 'get', 200>
export type NumberPrivacyChange = Body<'/api/v1/accounts/{account_id}/privacy', 'patch'>
export type Chat = Answer<'/api/v1/chats/{chat_id}', 'get', 200>
export type LastMessage = NonNullable<Chat['last_message']>
export type Message = Answer<'/api/v1/messages/{message_id}', 'get', 200>
export type MessageState = Message['state']
export type MessageSend = Body<'/api/v1/messages', 'post'>
export type Media = Answer<'/api/v1/media', 'post', 201>
export type LogEvent = Item<'/api/v1/events'>
export type ClusterOverview = Answer<'/api/v1/admin/cluster', 'get', 200>
export type ClusterInstance = ClusterOverview['instances'][number]
export type ClusterOperation = Answer<'/api/v1/admin/cluster/operations/{operation_id}', 'get', 200>
export type ClusterAdvice = Answer<'/api/v1/admin/cluster/advice', 'get', 200>
export type WorkspacePlace = Item<'/api/v1/admin/cluster/workspaces'>
export type SessionMove = Item<'/api/v1/admin/cluster/moves'>
export type QueuedSession = Item<'/api/v1/admin/cluster/queue'>
export type RebalancePreview = Answer<'/api/v1/admin/cluster/rebalance/preview', 'get', 200>
export type RebalanceMode = RebalancePreview['mode']
export type PlatformEvent = Item<'/api/v1/admin/cluster/events'>
export type CapacityPlan = Answer<'/api/v1/admin/cluster/plan', 'get', 200>
export type PlanQuery = NonNullable<paths['/api/v1/admin/cluster/plan']['get']['parameters']['query']>
export type ChatChange = Body<'/api/v1/chats/{chat_id}', 'patch'>
export type Label = Item<'/api/v1/labels'>
export type OlderState = Answer<'/api/v1/chats/{chat_id}/history', 'get', 200>
export type HistoryImport = Answer<'/api/v1/accounts/{account_id}/history', 'get', 200>
export type Receipts = Answer<'/api/v1/messages/{message_id}/receipts', 'get', 200>
export type Mentioned = NonNullable<NonNullable<Message['context']>['mentioned']>[number]
export type GroupDetails = Answer<'/api/v1/groups/{group_id}', 'get', 200>
export type GroupMember = GroupDetails['members'][number]
export type GroupPreview = Answer<'/api/v1/groups/preview', 'post', 200>
export type GroupChange = Body<'/api/v1/groups/{group_id}', 'patch'>
export type NewGroup = Body<'/api/v1/groups', 'post'>
export type MadeGroup = Answer<'/api/v1/groups', 'post', 201>
export type Outcome = Answer<'/api/v1/groups/{group_id}/participants', 'post', 200>['data'][number]
