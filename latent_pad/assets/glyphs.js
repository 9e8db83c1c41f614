// Marks of the classes: a colour and a shape each, so that they can be told apart without colour.

const TURN = 2 * Math.PI;

function polygon(path, corners, radius, turn, inner = radius) {
  const steps = inner === radius ? corners : 2 * corners;
  for (let i = 0; i < steps; i++) {
    const r = i % 2 && inner !== radius ? inner : radius;
    const angle = turn + (i / steps) * TURN;
    path.lineTo(r * Math.cos(angle), r * Math.sin(angle));
  }
  path.closePath();
}

// Each draws a shape of about the area of a circle with radius r around (0, 0). The names are those of ../marks.py.
const SHAPES = {
  circle: (path, r) => path.arc(0, 0, r, 0, TURN),
  square: (path, r) => path.rect(-0.88 * r, -0.88 * r, 1.76 * r, 1.76 * r),
  diamond: (path, r) => polygon(path, 4, 1.3 * r, 0),
  pentagon: (path, r) => polygon(path, 5, 1.15 * r, -TURN / 4),
  hexagram: (path, r) => polygon(path, 6, 1.5 * r, -TURN / 4, 0.75 * r),
  cross: (path, r) => polygon(path, 4, 1.5 * r, 0, 0.55 * r),
  x: (path, r) => polygon(path, 4, 1.5 * r, TURN / 8, 0.55 * r),
  star: (path, r) => polygon(path, 5, 1.5 * r, -TURN / 4, 0.65 * r),
  "triangle-down": (path, r) => polygon(path, 3, 1.4 * r, TURN / 4),
  "triangle-up": (path, r) => polygon(path, 3, 1.4 * r, -TURN / 4),
};

// The same rule as mark() in ../marks.py.
export function glyphOf(label, { colours, shapes }) {
  const round = Math.floor(label / colours.length);
  return { colour: colours[label % colours.length], shape: shapes[(label + round) % shapes.length] };
}

export function glyphPath(shape, radius) {
  const path = new Path2D();
  SHAPES[shape](path, radius);
  return path;
}

// A small canvas with one mark in its middle: drawing ten thousand of these is quick, ten thousand paths are not.
export function glyphSprite({ colour, shape }, radius, ratio, edge) {
  const side = Math.ceil((4 * radius + 2) * ratio);
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, side / 2, side / 2);
  const path = glyphPath(shape, radius);
  if (edge) {
    Object.assign(context, { strokeStyle: edge, lineWidth: 1.2, lineJoin: "round" });
    context.stroke(path);
  }
  context.fillStyle = colour;
  context.fill(path);
  return { canvas, size: side / ratio };
}
