// Pictures to begin with, drawn here, each with a question.

const size = 256;

export const examples = [
  { question: 'What colour is the circle?', draw: shapes },
  { question: 'Please read the digits.', draw: digits },
  { question: 'How many triangles are there?', draw: triangles },
];

export function drawExample({ draw }) {
  const canvas = document.createElement('canvas');
  canvas.width = size;
  canvas.height = size;
  draw(canvas.getContext('2d'));
  return canvas;
}

function shapes(g) {
  fill(g, '#e9e4d8');
  g.fillStyle = '#d12f2f';
  g.beginPath();
  g.arc(80, 92, 46, 0, 7);
  g.fill();
  g.fillStyle = '#2f55d1';
  g.fillRect(140, 140, 80, 80);
}

function triangles(g) {
  fill(g, '#20242e');
  for (const [x, y, color] of [
    [70, 70, '#e8c33c'],
    [180, 90, '#46b06a'],
    [115, 190, '#d94fa0'],
  ]) {
    g.fillStyle = color;
    g.beginPath();
    g.moveTo(x, y - 36);
    g.lineTo(x + 38, y + 32);
    g.lineTo(x - 38, y + 32);
    g.fill();
  }
}

/** Three digits as a pen would write them. */
function digits(g) {
  fill(g, '#f5f2ea');
  g.strokeStyle = '#1d2433';
  g.lineWidth = 12;
  g.lineCap = g.lineJoin = 'round';
  const strokes = [
    [
      [28, 104],
      [46, 84],
      [68, 92],
      [66, 118],
      [34, 160],
      [72, 158],
    ],
    [
      [104, 88],
      [136, 86],
      [118, 116],
      [140, 134],
      [128, 160],
      [102, 154],
    ],
    [
      [188, 86],
      [166, 128],
      [212, 128],
      [200, 104],
      [200, 166],
    ],
  ];
  for (const [first, ...rest] of strokes) {
    g.beginPath();
    g.moveTo(...first);
    for (const point of rest) g.lineTo(...point);
    g.stroke();
  }
}

function fill(g, color) {
  g.fillStyle = color;
  g.fillRect(0, 0, size, size);
}
