// The binary frame and the message kinds of protocol version 1 (see protocol.py).
export const VERSION = 1;
export const FIRST = 1, PAUSED = 2, RECORDED = 4;
const HEADER_BYTES = 28;

// ArrayBuffer -> header fields and the JPEG as a Blob; null when it is no frame.
export function readFrame(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < HEADER_BYTES || view.getUint16(0) !== 0x574d || view.getUint8(2) !== VERSION) return null;
  return {
    width: view.getUint16(4, true),
    height: view.getUint16(6, true),
    serial: view.getUint32(8, true),
    frame: view.getUint32(12, true),
    seq: view.getUint32(16, true),
    modelMs: view.getUint32(20, true) / 1000,
    flags: view.getUint16(24, true),
    buttons: view.getUint16(26, true),
    jpeg: new Blob([new Uint8Array(buffer, HEADER_BYTES)], { type: "image/jpeg" }),
  };
}

// Close codes after which trying again by itself would be wrong, and what to offer instead.
export const FINAL = {
  4400: "Reload the page", 4403: null, 4408: "Play on", 4409: "Play here", 4413: "Reload the page",
  4426: "Reload the page", 4429: "Reload the page", 4500: "Try again", 4503: "Try again",
};
export const BAD_TOKEN = 4401;
