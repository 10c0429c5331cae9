/**
 * exp(x) for x in [-44, 0], within a relative 2e-14, a few times faster than the platform's and the same on every
 * platform. x is split into halvings, a table's part and a rest that three terms of the series cover.
 * @see Tang 1989, "Table-driven implementation of the exponential function in IEEE floating-point arithmetic"
 */
export function exponential(x: number): number {
  const scaled = x * partsPerNat;
  const whole = Math.floor(scaled);
  const rest = (scaled - whole) * natsPerPart;
  const halvings = -(whole >> tableBits);
  const part = (table[whole & tableMask] as number) * (halved[halvings] as number);
  return part + part * rest * (1 + rest * (0.5 + rest / 6));
}

const tableBits = 11;
const tableMask = (1 << tableBits) - 1;
const partsPerNat = (1 << tableBits) / Math.LN2;
const natsPerPart = Math.LN2 / (1 << tableBits);
const table = Float64Array.from({ length: 1 << tableBits }, (_, i) => 2 ** (i / (1 << tableBits)));
const halved = Float64Array.from({ length: 65 }, (_, i) => 2 ** -i);
