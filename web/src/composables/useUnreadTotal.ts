/** How many chats wait to be read; counted from the cached unread list, one page of it. */
import { computed } from 'vue'

import { useChatList } from '@/api/chats'

const UNREAD = { search: '', accountId: null, unread: true }

export function useUnreadTotal() {
  const list = useChatList(UNREAD)
  return computed(() => ({
    count: list.chats.value.filter((chat) => chat.unread_count > 0).length,
    more: list.hasNextPage.value
  }))
}
