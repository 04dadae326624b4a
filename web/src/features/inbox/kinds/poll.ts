/** The sums of a poll. */
import type { PollContent } from '@/api/content'

/** The names of the options that we chose. */
export const ourChoice = (poll: PollContent): string[] =>
  poll.options.filter((option) => option.voters.some((voter) => voter.from_me)).map((option) => option.name)

/** The share of the voters that chose an option, between 0 and 1. */
export const share = (poll: PollContent, votes: number): number => (poll.voters > 0 ? Math.min(1, votes / poll.voters) : 0)

/** Our choice after a click on `option`: one of a single choice replaces the other; a second click takes it back. */
export function toggled(poll: PollContent, option: string): string[] {
  const before = ourChoice(poll)
  if (before.includes(option)) return before.filter((name) => name !== option)
  return poll.multiple ? [...before, option] : [option]
}

/** The poll as it is once we have chosen `options`. */
export function withChoice(poll: PollContent, options: readonly string[], at: string): PollContent {
  const voted = ourChoice(poll).length > 0
  return {
    ...poll,
    voters: poll.voters + Number(options.length > 0) - Number(voted),
    options: poll.options.map((option) => {
      const others = option.voters.filter((voter) => !voter.from_me)
      return { ...option, voters: options.includes(option.name) ? [...others, { author: '', from_me: true, at }] : others }
    })
  }
}
