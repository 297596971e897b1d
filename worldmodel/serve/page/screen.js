// Frames onto the canvas: only the newest is decoded, and each one drawn is acknowledged.
import { readFrame } from "./wire.js";

// `drew(header, time)` is called right after a frame was drawn, inside its animation frame.
export class Screen {
  constructor(canvas, drew, ack) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.drew = drew;
    this.ack = ack;
    this.newest = null; // arrived, not decoded
    this.ready = null; // decoded, not drawn
    this.decoding = false;
    this.asked = false;
  }

  take(buffer) {
    const frame = readFrame(buffer);
    if (!frame) return;
    this.newest = frame;
    if (!this.decoding) this.#decode();
  }

  async #decode() {
    this.decoding = true;
    while (this.newest) {
      const frame = this.newest;
      this.newest = null;
      try {
        const bitmap = await createImageBitmap(frame.jpeg);
        this.ready?.bitmap.close();
        this.ready = { frame, bitmap };
        this.#ask();
      } catch {
        this.ack(frame.serial);
      }
    }
    this.decoding = false;
  }

  #ask() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.asked = false;
    const { frame, bitmap } = this.ready;
    this.ready = null;
    if (this.canvas.width !== frame.width || this.canvas.height !== frame.height) {
      this.canvas.width = frame.width;
      this.canvas.height = frame.height;
    }
    this.context.drawImage(bitmap, 0, 0);
    bitmap.close();
    this.ack(frame.serial);
    this.drew(frame, performance.now());
  }
}
