// Owns the camera: video where the browser gives it, else a photo; codes are found by the browser, else by the server.
// It decodes one picture at a time, at most five a second; the same code counts again only after pictures without it.
import { send, word } from "./http.js";

const EVERY = 200;
const WIDTH = 640;
// A code is out of sight after this time and this number of decoded pictures without it. Failed pictures do not count.
const GONE_AFTER = 1200;
const GONE_LOOKS = 3;
const PHOTO_SIDE = 2048;
// The part of the picture that the frame on the page shows.
const SHARE = { width: 0.86, height: 0.62 };
// The eight digits of a UPC-E may also be an EAN-8: its AIM identifier tells them apart.
const textOf = ({ format, rawValue }) => (format === "upc_e" && rawValue.length === 8 ? `]E0${rawValue}` : rawValue);

const FORMATS = ["ean_13", "ean_8", "upc_a", "upc_e", "code_128", "code_39", "itf", "qr_code", "data_matrix", "aztec"];

const box = document.getElementById("camera");
const button = document.getElementById("camera-button");
const video = box.querySelector("video");
const photo = document.getElementById("photo");
const serverDecodes = "decode" in box.dataset;

let stream, timer, detector, running = false;
const seen = new Map();

async function makeDetector() {
  if (!("BarcodeDetector" in window)) return null;
  const known = await BarcodeDetector.getSupportedFormats().catch(() => []);
  const formats = FORMATS.filter((each) => known.includes(each));
  return formats.length ? new BarcodeDetector({ formats }) : null;
}

export async function toggle(scan, complain) {
  if (running) return stop();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } }, audio: false });
  } catch {
    // Denied, or no camera: a photo needs no permission.
    document.getElementById("photo-button").hidden = !serverDecodes;
    complain(word("no-camera"));
    return undefined;
  }
  detector ??= await makeDetector();
  running = true;
  video.srcObject = stream;
  box.hidden = false;
  button.setAttribute("aria-pressed", "true");
  await video.play().catch(() => {});
  seen.clear();
  look(scan, complain);
  return undefined;
}

export function stop() {
  running = false;
  clearTimeout(timer);
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  video.srcObject = null;
  box.hidden = true;
  button.setAttribute("aria-pressed", "false");
}

async function look(scan, complain) {
  const begin = performance.now();
  let wait = EVERY;
  try {
    const codes = video.videoWidth ? await findCodes() : null;
    if (!running) return;
    if (codes) notice(codes, scan);
  } catch (error) {
    // The server is busy or unreachable: try less often.
    wait = 1500;
    if (error.status === 404 || error.status === 403) {
      stop();
      complain(error.message);
      return;
    }
  }
  timer = setTimeout(look, Math.max(0, wait - (performance.now() - begin)), scan, complain);
}

function notice(codes, scan) {
  const now = performance.now();
  for (const [text, sight] of seen) {
    if (codes.includes(text)) continue;
    sight.missed += 1;
    if (sight.missed >= GONE_LOOKS && now - sight.at > GONE_AFTER) seen.delete(text);
  }
  for (const text of codes) {
    const isNew = !seen.has(text);
    seen.set(text, { at: now, missed: 0 });
    if (isNew) {
      box.classList.add("hit");
      setTimeout(() => box.classList.remove("hit"), 300);
      scan(text);
    }
  }
}

const canvas = document.createElement("canvas");

// The part inside the frame, grey and scaled down.
function crop() {
  const width = Math.round(video.videoWidth * SHARE.width);
  const height = Math.round(video.videoHeight * SHARE.height);
  const scale = Math.min(1, WIDTH / width);
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d", { willReadFrequently: false });
  pen.filter = "grayscale(1)";
  pen.drawImage(video, (video.videoWidth - width) / 2, (video.videoHeight - height) / 2, width, height, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.75));
}

async function findCodes() {
  if (detector) return (await detector.detect(video)).map(textOf).filter(Boolean);
  return decode(await crop());
}

async function decode(picture) {
  const headers = { "content-type": picture.type || "image/jpeg", accept: "application/json" };
  const response = await send(box.dataset.decode, { method: "POST", data: picture, headers });
  return (await response.json()).codes.map((each) => each.scan);
}

// Scaled down before it is sent; unchanged if the browser cannot read it.
async function shrink(file) {
  try {
    const image = await createImageBitmap(file);
    const scale = Math.min(1, PHOTO_SIDE / Math.max(image.width, image.height));
    canvas.width = Math.round(image.width * scale);
    canvas.height = Math.round(image.height * scale);
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? file), "image/jpeg", 0.85));
  } catch {
    return file;
  }
}

export async function readPhoto(scan, complain) {
  const [file] = photo.files;
  if (!file) return;
  const take = document.getElementById("photo-button");
  take.setAttribute("aria-busy", "true");
  try {
    const codes = await decode(await shrink(file));
    if (!codes.length) complain(word("no-code"));
    for (const text of codes.slice(0, 1)) await scan(text);
  } catch (error) {
    complain(error.message);
  } finally {
    take.removeAttribute("aria-busy");
    photo.value = "";
  }
}

document.addEventListener("visibilitychange", () => document.hidden && running && stop());
addEventListener("pagehide", () => running && stop());
