/** Emojis to choose from, by what they show; a browser without one of them draws an empty box, so all are from Unicode 13 or before. */

/** The first choice of everybody; the same six as on the phones. */
export const QUICK = ['👍', '❤️', '😂', '😮', '😢', '🙏'] as const

export interface EmojiGroup {
  name: 'faces' | 'people' | 'nature' | 'food' | 'places' | 'things' | 'signs'
  icon: string
  emojis: string[]
}

const split = (text: string): string[] => text.trim().split(/\s+/)

export const GROUPS: EmojiGroup[] = [
  {
    name: 'faces',
    icon: 'i-lucide-smile',
    emojis: split(`
      😀 😃 😄 😁 😆 😅 🤣 😂 🙂 🙃 😉 😊 😇 🥰 😍 🤩 😘 😗 😚 😙 😋 😛 😜 🤪 😝 🤑 🤗 🤭 🤫 🤔 🤐 🤨 😐 😑 😶 😏
      😒 🙄 😬 🤥 😌 😔 😪 🤤 😴 😷 🤒 🤕 🤢 🤮 🤧 🥵 🥶 🥴 😵 🤯 🤠 🥳 😎 🤓 🧐 😕 😟 🙁 😮 😯 😲 😳 🥺 😦 😧 😨
      😰 😥 😢 😭 😱 😖 😣 😞 😓 😩 😫 🥱 😤 😡 😠 🤬 😈 💀 💩 🤡 👻 👽 🤖 😺 😸 😹 😻 😼 🙀 😿`)
  },
  {
    name: 'people',
    icon: 'i-lucide-hand',
    emojis: split(`
      👍 👎 👌 🤏 ✌️ 🤞 🤟 🤘 🤙 👈 👉 👆 👇 ☝️ ✋ 🤚 🖐️ 🖖 👋 👏 🙌 👐 🤲 🤝 🙏 ✍️ 💅 🤳 💪 🦵 🦶 👂 👃 🧠 🦷 👀
      👁️ 👅 👄 👶 🧒 👦 👧 🧑 👨 👩 🧓 👴 👵 🙍 🙎 🙅 🙆 💁 🙋 🙇 🤦 🤷 💆 💇 🚶 🏃 💃 🕺 🧘 👮 👷 🧑‍💻 🧑‍🍳 🧑‍🏫 🧑‍⚕️`)
  },
  {
    name: 'nature',
    icon: 'i-lucide-leaf',
    emojis: split(`
      🐶 🐱 🐭 🐹 🐰 🦊 🐻 🐼 🐨 🐯 🦁 🐮 🐷 🐸 🐵 🙈 🙉 🙊 🐔 🐧 🐦 🐤 🦆 🦉 🐴 🦄 🐝 🐛 🦋 🐌 🐞 🐢 🐍 🐙 🐠 🐟
      🐬 🐳 🦈 🐘 🦒 🐪 🐓 🕊️ 🌵 🎄 🌲 🌳 🌴 🌱 🌿 🍀 🍁 🍂 🌺 🌻 🌹 🌷 🌸 💐 🌍 🌙 ⭐ ✨ ⚡ 🔥 🌈 ☀️ ⛅ 🌧️ ⛄ 💧`)
  },
  {
    name: 'food',
    icon: 'i-lucide-coffee',
    emojis: split(`
      🍏 🍎 🍐 🍊 🍋 🍌 🍉 🍇 🍓 🍒 🍑 🥭 🍍 🥥 🥝 🍅 🥑 🌽 🥕 🥔 🍞 🥐 🧀 🥚 🍳 🥞 🍗 🍖 🍔 🍟 🍕 🌭 🌮 🌯 🥗 🍝
      🍜 🍲 🍣 🍱 🍤 🍙 🍚 🍛 🥟 🍦 🍩 🍪 🎂 🍰 🧁 🍫 🍬 🍿 🍯 🥛 ☕ 🍵 🥤 🍺 🍻 🥂 🍷 🍸 🍽️ 🥄`)
  },
  {
    name: 'places',
    icon: 'i-lucide-car',
    emojis: split(`
      🚗 🚕 🚌 🚑 🚒 🚚 🚜 🛵 🏍️ 🚲 🛴 🚨 🚂 🚆 🚇 ✈️ 🛫 🛬 🚀 🚁 ⛵ 🚢 ⚓ ⛽ 🚦 🗺️ 🗽 🏰 🏟️ ⛲ 🏖️ 🏝️ 🌋 🏔️ ⛺ 🏠
      🏡 🏢 🏥 🏦 🏨 🏪 🏫 🏭 🕌 ⛪ 🛕 🕋 🌅 🌃 🌉 🎡`)
  },
  {
    name: 'things',
    icon: 'i-lucide-lightbulb',
    emojis: split(`
      ⌚ 📱 💻 🖨️ 📷 🎥 📞 📺 ⏰ ⏳ 🔋 🔌 💡 🔦 🕯️ 💸 💵 💰 💳 🧾 💎 🔧 🔨 🔩 ⚙️ 🔒 🔑 🚪 🛏️ 🛒 🎁 🎈 🎉 🎊 📦 📫
      📝 📁 📅 📌 📎 ✂️ 📚 📖 🔍 ✏️ 🎵 🎤 🎧 🎸 🎮 🎯 🏆 🥇 ⚽ 🏀 🏐 🎾 🏸 🥊 👕 👗 👟 👜 🎒 👑 💍 💄 💊 💉 🧼`)
  },
  {
    name: 'signs',
    icon: 'i-lucide-heart',
    emojis: split(`
      ❤️ 🧡 💛 💚 💙 💜 🖤 🤍 🤎 💔 💕 💞 💓 💗 💖 💘 💝 💯 💢 💥 💫 💤 💬 ✅ ☑️ ✔️ ❌ ❎ ➕ ➖ ❓ ❗ ‼️ ⁉️ ⚠️ 🚫
      ⛔ 🔴 🟠 🟡 🟢 🔵 🟣 ⚫ ⚪ 🔺 🔔 🔕 🆗 🆕 🆓 🔝 🔙 ▶️ ⏸️ ⏹️ ⏭️ 🔁 ➡️ ⬅️ ⬆️ ⬇️ ♻️ 🏁 🇮🇩 🇲🇾 🇸🇬 🇮🇳 🇧🇷 🇲🇽 🇩🇪 🇬🇧 🇺🇸`)
  }
]
