import type { Points } from '@tercet/collection';

export interface PlainPoint {
  readonly vector: readonly number[];
  readonly version: number;
  readonly colour: string;
}

/** What a collection should be: a map. Slow, and plainly right. */
export class PlainModel {
  readonly points = new Map<string, PlainPoint>();

  upsert({ ids, vectors, payloads }: Points): void {
    for (const [i, id] of ids.entries()) {
      const { version, colour } = JSON.parse(payloads[i] as string) as PlainPoint;
      this.points.set(id, { vector: [...vectors.subarray(i * 4, i * 4 + 4)], version, colour });
    }
  }

  delete(ids: readonly string[]): void {
    for (const id of ids) this.points.delete(id);
  }

  /** Distances of the k nearest points that pass, nearest first. */
  nearest(query: readonly number[], k: number, passes: (point: PlainPoint) => boolean): number[] {
    const distances = [...this.points.values()].filter(passes).map(({ vector }) => {
      return Math.sqrt(vector.reduce((sum, value, i) => sum + (value - (query[i] as number)) ** 2, 0));
    });
    return distances.toSorted((a, b) => a - b).slice(0, k);
  }

  copy(): PlainModel {
    const copy = new PlainModel();
    for (const [id, point] of this.points) copy.points.set(id, point);
    return copy;
  }

  /** Ids with versions, in order. */
  state(): string[] {
    return [...this.points].map(([id, { version }]) => `${id} ${version}`).toSorted();
  }
}
