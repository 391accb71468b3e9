// Owns sound and vibration of scans; silent where the sound is switched off on the device.
const KEY = "sound";
const TONES = {
  add: [[880, 0, 0.09]],
  remove: [[520, 0, 0.09]],
  move: [[660, 0, 0.06], [880, 0.07, 0.07]],
  count: [[740, 0, 0.06], [740, 0.09, 0.06]],
  lookup: [[990, 0, 0.05]],
  set: [[600, 0, 0.05], [900, 0.06, 0.05]],
  undone: [[700, 0, 0.06], [500, 0.07, 0.08]],
  waiting: [[440, 0, 0.06], [440, 0.12, 0.06]],
  refused: [[190, 0, 0.16], [150, 0.2, 0.26]],
};
const SHAKES = { refused: [90, 60, 160], waiting: [40, 60, 40] };
let context;

// Browsers allow sound only after a press.
export function unlock() {
  const Context = window.AudioContext ?? window.webkitAudioContext;
  if (!Context) return;
  context ??= new Context();
  context.resume?.();
}

export function signal(kind) {
  if (navigator.userActivation?.hasBeenActive !== false) navigator.vibrate?.(SHAKES[kind] ?? 35);
  if (!isAllowed() || context?.state !== "running") return;
  for (const [pitch, delay, length] of TONES[kind] ?? TONES.lookup) {
    const tone = context.createOscillator();
    const volume = context.createGain();
    const begin = context.currentTime + delay;
    tone.type = kind === "refused" ? "sawtooth" : "sine";
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.0001, begin);
    volume.gain.exponentialRampToValueAtTime(0.2, begin + 0.01);
    volume.gain.exponentialRampToValueAtTime(0.0001, begin + length);
    tone.connect(volume).connect(context.destination);
    tone.start(begin);
    tone.stop(begin + length + 0.02);
  }
}

function isAllowed() {
  try {
    return localStorage.getItem(KEY) !== "off";
  } catch {
    return true;
  }
}

// By the switch on the scan page and on that of the account.
export function allow(sound) {
  try {
    localStorage.setItem(KEY, sound ? "on" : "off");
  } catch {
    // Without storage it stays on.
  }
}
