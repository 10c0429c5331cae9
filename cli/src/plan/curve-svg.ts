import type { GoodputCurve } from './goodput-curve.js';

const size = { width: 760, height: 420 };
const box = { left: 64, top: 24, right: 24, bottom: 56 };
const colours = ['#0a7d5a', '#2b6cb0', '#b7791f', '#97266d'];

/** The curves as a picture that stands alone, on a light ground; the best split first. */
export function curveSvg(curves: readonly GoodputCurve[], attainment: number): string {
  const most = curves[0]?.points.at(-1)?.rps ?? 1;
  const right = size.width - box.right;
  const bottom = size.height - box.bottom;
  const x = (rps: number) => round(box.left + (rps / most) * (right - box.left));
  const y = (share: number) => round(bottom - share * (bottom - box.top));
  const shares = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    `<line x1="${box.left}" x2="${right}" y1="${y(share)}" y2="${y(share)}" stroke="#e2e8f0"/>`,
    `<text x="${box.left - 8}" y="${y(share) + 4}" text-anchor="end">${100 * share} %</text>`,
  ]);
  const rates = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const label = part === 0 ? '0' : (part * most).toPrecision(3);
    return `<text x="${x(part * most)}" y="${bottom + 20}" text-anchor="middle">${label}</text>`;
  });
  const lines = curves.flatMap(({ name, points, goodputRps }, index) => {
    const colour = colours[index % colours.length];
    const path = points.map(({ rps, attainment: share }) => `${x(rps)},${y(share)}`).join(' ');
    const row = bottom - 14 - 20 * (curves.length - 1 - index);
    const label = `${name}: ${goodputRps.toPrecision(3)}/s`;
    return [
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      `<circle cx="${x(goodputRps)}" cy="${y(attainment)}" r="4" fill="${colour}"/>`,
      `<text x="${box.left + 12}" y="${row}" fill="${colour}">${label}</text>`,
    ];
  });
  const asked = y(attainment);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}"`,
    ' font-family="sans-serif" font-size="13" fill="#2d3748">',
    '<title>Share of requests that meet the objectives, by rate</title>',
    `<rect width="${size.width}" height="${size.height}" fill="#ffffff"/>`,
    ...shares,
    ...rates,
    `<line x1="${box.left}" x2="${right}" y1="${asked}" y2="${asked}" stroke="#4a5568" stroke-dasharray="5 4"/>`,
    ...lines,
    `<text x="${(box.left + right) / 2}" y="${size.height - 12}" text-anchor="middle">requests per second</text>`,
    '</svg>',
    '',
  ].join('\n');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
