/** Places: coordinates as people read them, a link to a map, and a drawing that stands for one. */

/** Degrees with five decimals, about a metre. */
export const coordinates = (latitude: number, longitude: number): string => `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`

export function mapLink(latitude: number, longitude: number): string {
  const [lat, lon] = [latitude.toFixed(6), longitude.toFixed(6)]
  return `https://www.openstreetmap.org/?mlat=${lat}&mlon=${lon}#map=16/${lat}/${lon}`
}

/** Reads "-6.2, 106.8" as it is copied from maps; null when it names no place on earth. */
export function readCoordinates(text: string): { latitude: number; longitude: number } | null {
  const match = /^\s*(-?\d{1,3}(?:\.\d+)?)\s*[,;\s]\s*(-?\d{1,3}(?:\.\d+)?)\s*$/.exec(text)
  if (!match) return null
  const latitude = Number(match[1])
  const longitude = Number(match[2])
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 ? { latitude, longitude } : null
}

export interface Street {
  d: string
  wide: boolean
}

/**
 * Streets around a place, invented but always the same for it: no map is fetched, so that no map's owner learns where
 * customers are. In a box of 280 by 130.
 */
export function streets(latitude: number, longitude: number): Street[] {
  let state = (Math.round(latitude * 1e4) * 73_856_093) ^ (Math.round(longitude * 1e4) * 19_349_663)
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return (state >>> 8) / 0x1000000
  }
  const lean = (random() - 0.5) * 60
  const across = [18, 52, 88, 118].map((y, index) => {
    const at = y + (random() - 0.5) * 14
    return { d: `M-10 ${(at - lean / 4).toFixed(1)} L290 ${(at + lean / 4).toFixed(1)}`, wide: index === 1 }
  })
  const down = [30, 82, 140, 196, 250].map((x, index) => {
    const at = x + (random() - 0.5) * 26
    return { d: `M${(at + lean / 2).toFixed(1)} -10 L${(at - lean / 2).toFixed(1)} 140`, wide: index === 2 }
  })
  return [...across, ...down]
}
