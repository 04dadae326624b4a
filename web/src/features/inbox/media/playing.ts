/** One thing plays at a time: whoever begins stops the one before. */
let current: HTMLMediaElement | null = null

export function beginPlaying(element: HTMLMediaElement): void {
  if (current && current !== element) current.pause()
  current = element
}

/** Speeds of a voice note, in the order in which the button goes through them. */
export const SPEEDS = [1, 1.5, 2] as const

/** The speed that was chosen last holds for every voice note. */
let chosen = 1
export const chosenSpeed = (): number => chosen
export function nextSpeed(speed: number): number {
  const at = SPEEDS.findIndex((one) => one === speed)
  chosen = SPEEDS[(at + 1) % SPEEDS.length] ?? 1
  return chosen
}
