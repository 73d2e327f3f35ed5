/**
 * How many surfels this device draws at a pleasant rate: fewer where pictures come slowly while something moves, more
 * again where they come fast. The server sends what is finer only as far as that.
 */

export const MOST = 1_500_000; // surfels that are kept: 50 MB here and 30 MB on the card
export const LEAST = 100_000;
export const FIRST = 600_000;
const SLOW_MS = 45; // a picture
const FAST_MS = 20;
const JUDGED = 24; // pictures in a row
const STEP = 1.6;
const PAUSE_MS = 250; // longer is no slow picture, but none

export class Budget {
  /** @param {number} [surfels] to begin with @param {boolean} [fixed] whatever it costs */
  constructor(surfels = FIRST, fixed = false) {
    this.surfels = fixed ? Math.max(1000, Math.min(MOST, Math.round(surfels))) : surfels;
    this.fixed = fixed;
    /** @type {number[]} milliseconds of pictures since the last change */
    this.times = [];
    this.last = 0;
  }

  /** A picture was drawn. Whether the budget has changed. @param {number} now milliseconds @param {number} drawn surfels in it */
  drew(now, drawn) {
    const took = now - this.last;
    this.last = now;
    if (took > PAUSE_MS || this.fixed) return false;
    this.times.push(took);
    if (this.times.length < JUDGED) return false;
    const median = this.times.sort((a, b) => a - b)[JUDGED >> 1];
    this.times = [];
    if (median > SLOW_MS) return this.become(Math.min(this.surfels, Math.max(LEAST, 2 * drawn)) / STEP);
    // More is of use only where nearly all that is allowed is drawn already.
    if (median < FAST_MS && drawn > 0.4 * this.surfels) return this.become(this.surfels * STEP);
    return false;
  }

  /** @param {number} surfels */
  become(surfels) {
    const wanted = Math.round(Math.max(LEAST, Math.min(MOST, surfels)));
    if (wanted === this.surfels) return false;
    this.surfels = wanted;
    return true;
  }
}
