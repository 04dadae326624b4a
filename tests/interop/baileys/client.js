// A linked device run by Baileys, driven over standard input and output: one JSON document a line.
//
// A request {id, do, ...} is answered by {id, result} or {id, error}. Whatever happens by itself is {event, ...}.
// Bytes are base64. The environment says where the network is: SIM_ADDRESS (host:port) and SIM_CA (PEM file).
'use strict'

const crypto = require('node:crypto')
const fs = require('node:fs')
const https = require('node:https')
const readline = require('node:readline')
const tls = require('node:tls')

const baileys = require('@whiskeysockets/baileys')

// Every host of WhatsApp is the simulated network: its web sockets and its media.
class NetworkAgent extends https.Agent {
  createConnection(options) {
    const [host, port] = process.env.SIM_ADDRESS.split(':')
    const servername = options.servername || options.host
    return tls.connect({ host, port: Number(port), servername, ca: fs.readFileSync(process.env.SIM_CA), ALPNProtocols: ['http/1.1'] })
  }
}

const agent = new NetworkAgent({ keepAlive: false })
const quiet = { level: 'silent', child: () => quiet }
for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal']) {
  quiet[level] = (details, text) => {
    if (process.env.SIM_LOG) process.stderr.write(`${level} ${text ?? ''} ${JSON.stringify(details)?.slice(0, 400)}\n`)
  }
}

// A library of the library talks to the console; standard output is for documents only.
for (const method of ['log', 'info', 'warn', 'error', 'debug']) console[method] = () => {}

const tell = (document) => process.stdout.write(`${JSON.stringify(document)}\n`)
// Sent and received messages by id: the library asks for them when it must send again or read votes.
const messages = new Map()
let socket = null

// Keys and sessions in memory: the process is the device.
function memoryKeys() {
  const kept = new Map()
  return {
    get: async (type, ids) => {
      const found = {}
      for (const id of ids) {
        const value = kept.get(`${type} ${id}`)
        if (value !== undefined) found[id] = value
      }
      return found
    },
    set: async (changes) => {
      for (const [type, values] of Object.entries(changes)) {
        for (const [id, value] of Object.entries(values)) {
          if (value === null || value === undefined) kept.delete(`${type} ${id}`)
          else kept.set(`${type} ${id}`, value)
        }
      }
    }
  }
}

const auth = { creds: baileys.initAuthCreds(), keys: memoryKeys() }

function connect() {
  socket = baileys.makeWASocket({
    auth: { creds: auth.creds, keys: baileys.makeCacheableSignalKeyStore(auth.keys, quiet) },
    agent,
    fetchAgent: agent,
    logger: quiet,
    waWebSocketUrl: 'wss://web.whatsapp.com/ws/chat',
    syncFullHistory: false,
    shouldSyncHistoryMessage: () => true,
    markOnlineOnConnect: false,
    // The library remembers a person's devices without the phone after a chat of two, and then forgets it in groups.
    userDevicesCache: { get: () => undefined, set: () => {}, del: () => {}, flushAll: () => {} },
    getMessage: async (key) => messages.get(key.id)?.message,
    options: { httpsAgent: agent, proxy: false }
  })
  socket.ev.on('creds.update', (changed) => Object.assign(auth.creds, changed))
  socket.ev.on('connection.update', (update) => {
    if (update.qr) tell({ event: 'qr', qr: update.qr })
    if (update.connection) tell({ event: 'connection', state: update.connection, reason: update.lastDisconnect?.error?.output?.statusCode })
    const reason = update.lastDisconnect?.error?.output?.statusCode
    if (update.connection === 'close' && reason === baileys.DisconnectReason.restartRequired) connect()
  })
  socket.ev.on('messages.upsert', ({ messages: arrived }) => arrived.forEach(receive))
  socket.ev.on('messaging-history.set', ({ chats, contacts, messages: earlier }) => {
    tell({ event: 'history', chats: chats.length, contacts: contacts.length, messages: earlier.map(({ key, message }) => ({ key, message })) })
  })
  socket.ev.on('messages.update', (updates) => {
    for (const { key, update } of updates) tell({ event: 'update', key, update: { ...update, votes: votes(key, update) } })
  })
  socket.ev.on('messages.reaction', (reactions) => {
    for (const { key, reaction } of reactions) tell({ event: 'reaction', key, text: reaction.text ?? '' })
  })
  socket.ev.on('message-receipt.update', (receipts) => {
    for (const { key, receipt } of receipts) tell({ event: 'receipt', key, receipt })
  })
  socket.ev.on('presence.update', ({ id, presences }) => tell({ event: 'presence', chat: id, presences }))
  socket.ev.on('group-participants.update', (change) => tell({ event: 'participants', ...change }))
  socket.ev.on('groups.update', (changes) => changes.forEach((change) => tell({ event: 'group', ...change })))
}

function receive(message) {
  messages.set(message.key.id, message)
  tell({ event: 'message', key: message.key, name: message.pushName, kind: baileys.getContentType(message.message ?? undefined), message: message.message })
}

function votes(key, update) {
  const poll = messages.get(key.id)
  if (!update.pollUpdates || !poll) return undefined
  return baileys.getAggregateVotesInPollMessage({ message: poll.message, pollUpdates: update.pollUpdates })
}

// Everything that a request can ask for.
const actions = {
  dictionary: () => {
    const words = require('@whiskeysockets/baileys/lib/WABinary/constants.js')
    const version = require('@whiskeysockets/baileys/lib/Defaults').NOISE_WA_HEADER[3]
    return { version, single: words.SINGLE_BYTE_TOKENS.map((word) => word ?? ''), double: words.DOUBLE_BYTE_TOKENS }
  },
  connect: () => connect(),
  send: async ({ to, content }) => {
    for (const name of ['image', 'video', 'audio', 'document', 'sticker']) {
      if (content[name] !== undefined) content[name] = Buffer.from(content[name], 'base64')
    }
    if (content.forward) content.forward = messages.get(content.forward)
    const sent = await socket.sendMessage(to, content, { quoted: content.quoted && messages.get(content.quoted) })
    messages.set(sent.key.id, sent)
    return sent.key
  },
  download: async ({ message }) => {
    const file = await baileys.downloadMediaMessage(messages.get(message), 'buffer', { options: { httpsAgent: agent, proxy: false } }, { logger: quiet })
    return crypto.createHash('sha256').update(file).digest('hex')
  },
  read: ({ keys }) => socket.readMessages(keys),
  typing: ({ to, state }) => socket.sendPresenceUpdate(state, to),
  watch: ({ of }) => socket.presenceSubscribe(of),
  group: ({ name, people }) => socket.groupCreate(name, people),
  metadata: ({ group }) => socket.groupMetadata(group),
  subject: ({ group, subject }) => socket.groupUpdateSubject(group, subject),
  participants: ({ group, people, action }) => socket.groupParticipantsUpdate(group, people, action),
  onWhatsApp: ({ number }) => socket.onWhatsApp(number)
}

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const request = JSON.parse(line)
  try {
    tell({ id: request.id, result: (await actions[request.do](request)) ?? null })
  } catch (error) {
    tell({ id: request.id, error: String(error?.stack ?? error).slice(0, 2000) })
  }
}).on('close', () => process.exit(0))
