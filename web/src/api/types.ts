/** Short names for the shapes of the generated API document; nothing here is written by hand beyond the naming. */
import type { components } from './schema'

type Schemas = components['schemas']

export type AuthStatus = Schemas['AuthStatus']
export type User = Schemas['User']
export type Workspace = Schemas['Workspace']
export type Membership = Schemas['Membership']
export type Me = Schemas['Me']
export type Member = Schemas['Member']
export type Invitation = Schemas['Invitation']
export type InvitationLookup = Schemas['InvitationLookup']
export type ApiKey = Schemas['ApiKey']
export type ApiKeyCreated = Schemas['ApiKeyCreated']
export type Account = Schemas['Account']
export type AccountStatus = Account['status']
export type Qr = Schemas['Qr']
export type PairingCode = Schemas['PairingCode']
export type Contact = Schemas['Contact']
export type Chat = Schemas['Chat']
export type LastMessage = NonNullable<Chat['last_message']>
export type Message = Schemas['Message']
export type MessageState = Message['state']
export type MessageSend = Schemas['MessageSend']
export type Media = Schemas['Media']
export type LogEvent = Schemas['Event']
export type Role = Member['role']
