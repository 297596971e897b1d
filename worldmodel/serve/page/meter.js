// Frames per second, and the time from a key to the first picture that had consumed it.
const KEPT = 100, SECOND = 1000;

export class Meter {
  constructor() {
    this.clear();
  }

  clear() {
    this.pending = []; // presses not yet seen in a picture: {seq, time}
    this.latencies = [];
    this.draws = [];
    this.model = [];
  }

  forget() {
    this.pending = [];
  }

  pressed(seq, time) {
    this.pending.push({ seq, time });
  }

  drew(frame, now) {
    this.draws.push(now);
    while (this.draws[0] < now - SECOND) this.draws.shift();
    while (this.pending.length && this.pending[0].seq <= frame.seq) {
      keep(this.latencies, now - this.pending.shift().time);
    }
    if (frame.modelMs) keep(this.model, frame.modelMs);
  }

  fps(now) {
    return this.draws.filter((time) => time > now - SECOND).length;
  }

  // The value below which the share `part` of the latencies lies; null without any.
  latency(part) {
    return quantile(this.latencies, part);
  }

  modelMs() {
    return quantile(this.model.slice(-30), 0.5);
  }
}

function keep(list, value) {
  list.push(value);
  if (list.length > KEPT) list.shift();
}

export function quantile(values, part) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}
