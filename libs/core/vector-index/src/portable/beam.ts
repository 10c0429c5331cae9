/** The nearest candidates seen, nearest first, at most `room` of them. */
export class Beam {
  readonly room: number;
  readonly distances: Float32Array;
  readonly slots: Uint32Array;
  /** Whether the links of a candidate were followed. */
  readonly followed: Uint8Array;
  size = 0;

  constructor(room: number) {
    this.room = room;
    this.distances = new Float32Array(room);
    this.slots = new Uint32Array(room);
    this.followed = new Uint8Array(room);
  }

  /** Takes a candidate in; after those at the same distance. @returns its place; `room` where it is not near enough */
  take(distance: number, slot: number): number {
    const { distances, slots, followed, room } = this;
    if (this.size === room && !(distance < (distances[room - 1] as number))) return room;
    let [low, high] = [0, this.size];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((distances[middle] as number) <= distance) low = middle + 1;
      else high = middle;
    }
    const kept = this.size < room ? this.size++ : room - 1;
    for (const list of [distances, slots, followed]) list.copyWithin(low + 1, low, kept);
    distances[low] = distance;
    slots[low] = slot;
    followed[low] = 0;
    return low;
  }
}
