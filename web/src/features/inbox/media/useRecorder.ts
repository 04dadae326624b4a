/** Recording a voice note in the browser: one recording at a time, with its loudness while it goes on. */
import { computed, onBeforeUnmount, ref, shallowRef } from 'vue'

/** Longer voice notes are better sent as files. */
export const LONGEST_S = 15 * 60
const EVERY_MS = 100
const SHOWN = 48
/** Chrome and Firefox record WebM, Safari MP4; the server makes Opus in OGG of either. */
const TYPES = ['audio/webm;codecs=opus', 'audio/ogg;codecs=opus', 'audio/mp4']

export type RecorderProblem = 'unsupported' | 'denied' | 'missing'

export function useRecorder() {
  const recorder = shallowRef<MediaRecorder | null>(null)
  const problem = ref<RecorderProblem | null>(null)
  const seconds = ref(0)
  /** The loudness of the last moments, 0 to 100. */
  const levels = ref<number[]>([])
  const recording = computed(() => recorder.value !== null)
  let chunks: Blob[] = []
  let context: AudioContext | null = null
  let timer: ReturnType<typeof setInterval> | undefined
  let began = 0

  async function start(): Promise<void> {
    if (recorder.value) return
    problem.value = null
    if (typeof MediaRecorder === 'undefined' || !navigator.mediaDevices?.getUserMedia) {
      problem.value = 'unsupported'
      return
    }
    let stream: MediaStream
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } })
    } catch (error) {
      problem.value = error instanceof DOMException && error.name === 'NotFoundError' ? 'missing' : 'denied'
      return
    }
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type))
    const made = new MediaRecorder(stream, mimeType ? { mimeType } : {})
    chunks = []
    made.ondataavailable = (event) => event.data.size > 0 && chunks.push(event.data)
    measure(stream)
    made.start(1000)
    recorder.value = made
  }

  function measure(stream: MediaStream): void {
    context = new AudioContext()
    const analyser = context.createAnalyser()
    analyser.fftSize = 1024
    context.createMediaStreamSource(stream).connect(analyser)
    const samples = new Uint8Array(analyser.fftSize)
    began = performance.now()
    seconds.value = 0
    levels.value = []
    timer = setInterval(() => {
      analyser.getByteTimeDomainData(samples)
      const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample - 128)), 0)
      levels.value = [...levels.value, Math.min(100, Math.round((peak / 128) * 160))].slice(-SHOWN)
      seconds.value = (performance.now() - began) / 1000
      if (seconds.value >= LONGEST_S) recorder.value?.pause()
    }, EVERY_MS)
  }

  function release(): void {
    clearInterval(timer)
    recorder.value?.stream.getTracks().forEach((track) => track.stop())
    void context?.close().catch(() => undefined)
    context = recorder.value = null
  }

  /** Ends the recording and returns it; null when there is nothing in it. */
  async function finish(): Promise<File | null> {
    const made = recorder.value
    if (!made) return null
    if (made.state !== 'inactive') {
      await new Promise<void>((resolve) => {
        made.onstop = () => resolve()
        made.stop()
      })
    }
    const type = (made.mimeType || 'audio/webm').split(';')[0] ?? 'audio/webm'
    release()
    const blob = new Blob(chunks, { type })
    chunks = []
    return blob.size > 0 ? new File([blob], `voice.${type.split('/')[1] ?? 'webm'}`, { type }) : null
  }

  function cancel(): void {
    const made = recorder.value
    if (made && made.state !== 'inactive') {
      made.ondataavailable = null
      made.stop()
    }
    release()
    chunks = []
  }
  onBeforeUnmount(cancel)

  return { recording, seconds, levels, problem, start, finish, cancel }
}
