// One pad on one page: holds the point, and draws at most once an animation frame, always the newest state.

import { Content } from "./content.js";
import { Controls } from "./controls.js";
import { drawHeat, drawMoving, drawStill } from "./draw.js";
import { Network } from "./network.js";
import { fit, fromBase64, heatPicture, put, toImageData } from "./pixels.js";
import { homeWindow, Plane, Window } from "./plane.js";
import { Posterior } from "./posterior.js";
import { Readout } from "./readout.js";
import { hold, release } from "./store.js";
import { TEMPLATE } from "./template.js";
import { Tiles } from "./tiles.js";

const GLIDE = 280; // milliseconds that the marker takes when Python moves it
const SIGHT = 450; // that the view takes to a posterior
const SAMPLING = 1100; // that a draw takes from mu to z
const VISIBLE = 24; // pixels of a posterior's sigma: a draw from a smaller one brings it closer first
const TILE_BUDGET = 5; // milliseconds a frame for the grid of decoded images
const FARTHEST = 1e6; // of a coordinate, as in __init__.py
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class LatentPad {
  constructor(parent) {
    this.holder = Object.assign(document.createElement("div"), { className: "latent-pad-holder", innerHTML: TEMPLATE });
    this.root = this.holder.firstElementChild;
    parent.append(this.holder);
    this.parts = Object.fromEntries([...this.root.querySelectorAll("[data-part]")].map((node) => [node.dataset.part, node]));
    this.content = new Content();
    this.tiles = new Tiles();
    this.readout = new Readout(this.parts);
    this.network = new Network(this.parts, (draw) => this.choose(draw));
    this.marker = { x: 0, y: 0 };
    this.decodes = 0;
    this.number = 0; // of the latest report; later ones are larger
    this.stale = { layout: true, still: true, point: true };
    this.gone = new AbortController();
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(this.parts.plane);
    this.wire();
  }

  // The buttons on the plane.
  wire() {
    const press = (part, act) => this.parts[part].addEventListener("click", act, { signal: this.gone.signal });
    press("draw", () => this.choose(this.posterior.draw()));
    press("near", () => this.look(this.window.around(this.posterior.ellipse)));
    press("all", () => this.look(this.window.home));
    press("closer", () => this.look({ ...this.window.view, half: this.window.within(this.window.half * 0.6) }));
    press("farther", () => this.look({ ...this.window.view, half: this.window.within(this.window.half / 0.6) }));
  }

  destroy() {
    this.gone.abort();
    release(this);
    this.observer.disconnect();
    cancelAnimationFrame(this.request);
    this.request = -1; // nothing is drawn any more
    this.holder.remove();
  }

  // data as __init__.py describes it; send(point) tells Python. What was shown stays until the parcels of the new are here; the
  // pictures of the nearest images are asked for when there is something to drag.
  async update(data, send) {
    this.newest = data;
    const overtaken = () => this.newest !== data || this.gone.signal.aborted;
    this.readout.wait();
    release(this, [data.decoder, data.points, data.pictures]);
    try {
      const [decoder, points] = await Promise.all(hold(this, data.decoder, data.points));
      if (overtaken()) return;
      this.take(data, send, { decoder, points });
      const [pictures] = await Promise.all(hold(this, data.pictures));
      if (overtaken() || !this.content.adorn(pictures)) return;
      this.stale.point = true;
      this.schedule();
    } catch (error) {
      console.warn(error);
      if (!overtaken()) this.readout.lament(error);
    }
  }

  take(data, send, parcels) {
    this.controls ??= new Controls(this.parts.plane, this.hands(), this.gone.signal); // now there is something to move
    const otherPlane = data.plane.id !== this.plane?.id;
    const otherView = otherPlane || data.prior !== this.data.prior || String(data.window) !== String(this.data.window);
    Object.assign(this, { data, send });
    if (otherPlane) this.plane = new Plane(data.plane);
    this.plane.labels = data.plane.labels;
    this.takePosterior(data.posterior, otherPlane);
    // A report that Python has not heard yet is newer than what it says: then the visitor's point stays.
    this.seek ||= data.moves !== this.moves;
    if (otherPlane) this.jump(...data.position);
    else if (data.moves !== this.moves && data.heard >= this.number && !this.controls.busy) this.glide(...data.position);
    this.moves = data.moves;
    this.number = Math.max(this.number, data.heard);
    const isNew = this.content.take(parcels, data.missing, this.plane);
    if (isNew.decoder || otherView) this.tiles.clear();
    if (isNew.points || otherView) this.frameView();
    this.root.classList.toggle("latent-pad--line", this.plane.isLine);
    this.root.classList.toggle("latent-pad--encoded", Boolean(data.encoded));
    this.parts.sampling.hidden = !this.posterior;
    if (data.heat) data.heat.bytes = fromBase64(data.heat.levels);
    this.readout.describe(data, this.content);
    this.network.describe(data.encoded, data.imageShape, this.posterior, Boolean(this.content.decoder));
    this.redraw();
  }

  // Draws stay for as long as the image does.
  takePosterior(said, otherPlane) {
    if (said && this.posterior?.is(said)) {
      if (otherPlane) this.posterior.place(this.plane);
      return;
    }
    this.posterior = said ? new Posterior(said, this.plane) : null;
    this.drawn = this.sampling = null;
  }

  frameView() {
    const { prior, window } = this.data;
    const coordinates = this.content.points?.coordinates ?? [];
    const { isLine } = this.plane;
    this.seek = true;
    this.sight = null;
    this.window = window ? new Window(...window, isLine) : homeWindow(coordinates, prior && this.plane.prior(), isLine);
  }

  // Whatever Python put the marker to is seen.
  find({ x, y }) {
    this.window.find(x, y);
    this.seek = false;
  }

  // What Controls may do.
  hands() {
    const view = (change) => (...args) => {
      this.sight = null;
      change(...args);
      this.redraw();
    };
    return {
      moveTo: (px, py) => {
        const { window } = this;
        this.moveTo(...window.toPlane(clamp(px, 0, window.width), clamp(py, 0, window.height)));
      },
      step: view((dx, dy) => {
        const unit = this.window.half / 50;
        this.moveTo(this.marker.x + dx * unit, this.marker.y + dy * unit);
        this.window.follow(this.marker.x, this.marker.y);
      }),
      zoom: view((...args) => this.window.zoom(...args)),
      pan: view((dx, dy) => this.window.pan(dx, dy)),
      reset: view(() => this.window.reset()),
      hover: (px, py) => this.hover(px === undefined ? null : this.window.toPlane(px, py)),
      settle: () => this.settle(),
    };
  }

  moveTo(x, y) {
    this.flight = this.drawn = this.sampling = null;
    const exact = (value) => Math.round(clamp(value, -FARTHEST, FARTHEST) * 1e6) / 1e6; // what is shown is what Python hears
    this.marker = { x: exact(x), y: this.plane.isLine ? 0 : exact(y) };
    this.stale.point = true;
    this.schedule();
  }

  jump(x, y) {
    this.moveTo(x, y);
    this.settled = this.marker;
  }

  glide(x, y) {
    const from = this.marker;
    this.jump(x, y);
    const apart = Math.hypot(x - from.x, y - from.y) > 1e-4;
    if (apart && !calm.matches) this.flight = { from, to: this.marker, start: performance.now() };
  }

  // A draw from the posterior: it is shown to happen, from mu to z, where it can be seen.
  choose(draw) {
    this.flight = null;
    this.drawn = draw;
    const isSmall = this.posterior.ellipse.a * this.window.scale < VISIBLE;
    if (isSmall) this.look(this.window.around(this.posterior.ellipse));
    this.sampling = { start: performance.now() + (isSmall && !calm.matches ? SIGHT : 0) };
    this.stale.point = true;
    this.schedule();
  }

  // Brings a view { x, y, half } about.
  look(view) {
    this.sight = { from: this.window.view, to: { x: view.x, y: view.y, half: view.half }, start: performance.now() };
    this.schedule();
  }

  // What a heat-map is under the cursor, while no hand drags.
  hover(place) {
    this.cursor = place && { x: place[0], y: place[1] };
    if (this.data.heat) this.readout.showHeat(this.data.heat, this.cursor ?? this.marker);
  }

  settle() {
    const { x, y } = this.marker;
    if (this.settled.x === x && this.settled.y === y) return;
    this.settled = this.marker;
    this.number = Math.max(this.number + 1, Date.now());
    this.spoken = ""; // when it is shown
    this.stale.point = true;
    this.schedule();
    this.send({ x, y, number: this.number, plane: this.plane.id });
  }

  redraw() {
    this.stale = { layout: true, still: true, point: true };
    this.schedule();
  }

  schedule() {
    this.request ||= requestAnimationFrame((time) => this.frame(time));
  }

  frame(time) {
    this.request = 0;
    if (!this.window) return;
    if (this.flight) this.fly(time);
    if (this.sight) this.flySight(time);
    const at = this.at(time);
    const { layout, still, point } = this.stale;
    const scene = this.scene(at);
    const isFirst = point && !this.decodes && Boolean(scene.decoder); // the plane is painted a frame after the first picture
    this.stale = { layout: false, still: still && isFirst, point: false };
    if (layout) this.layOut(scene);
    if (still && !isFirst) this.drawStill(scene);
    if (point) this.drawPoint(scene, at);
    const isMoving = this.flight || this.sight || this.sampling;
    const isUndone = this.stale.still || this.tiles.work(this.parts.tiles.getContext("2d"), scene, TILE_BUDGET);
    if (this.network.work(scene.decoder) || isUndone || isMoving) this.schedule();
  }

  // The point that is decoded: on its way in a draw, or under the marker.
  at(time) {
    if (!this.drawn) return { ...this.marker, z: this.plane.point(this.marker.x, this.marker.y) };
    let { z } = this.drawn;
    if (this.sampling) {
      this.stale.point = true;
      const part = calm.matches ? 1 : clamp((time - this.sampling.start) / SAMPLING, 0, 1);
      z = this.posterior.along(this.drawn.epsilon, ease(part));
      if (part === 1) {
        this.sampling = null;
        this.spoken = "drawn: "; // when it is shown
      }
    }
    const [x, y] = this.plane.coordinates(z);
    return { x, y, z };
  }

  fly(time) {
    const { from, to, start } = this.flight;
    const part = clamp((time - start) / GLIDE, 0, 1);
    const eased = ease(part);
    this.marker = { x: from.x + (to.x - from.x) * eased, y: from.y + (to.y - from.y) * eased };
    this.stale.point = true;
    if (part === 1) [this.marker, this.flight] = [to, null];
  }

  flySight(time) {
    const { from, to, start } = this.sight;
    const part = calm.matches ? 1 : ease(clamp((time - start) / SIGHT, 0, 1));
    const half = from.half * (to.half / from.half) ** part; // what is zoomed shrinks by the same share in each moment
    const way = from.half === to.half ? part : (from.half - half) / (from.half - to.half); // and the target moves straight
    Object.assign(this.window, { x: from.x + (to.x - from.x) * way, y: from.y + (to.y - from.y) * way, half });
    if (part === 1) this.sight = null;
    this.stale = { layout: true, still: true, point: true };
  }

  // Everything that drawing needs; the theme is read from the page, so that it is the current one.
  scene(at) {
    const style = getComputedStyle(this.root);
    const theme = {
      text: style.getPropertyValue("--st-text-color"), background: style.getPropertyValue("--st-background-color"),
      primary: style.getPropertyValue("--st-primary-color"), font: style.fontFamily, ratio: devicePixelRatio || 1,
    };
    const { prior, layers, path, heat, classes, colours, shapes } = this.data;
    const { window, plane, posterior, drawn, marker, cursor } = this;
    const { decoder, points } = this.content;
    const marks = { colours, shapes };
    const seen = { window, plane, posterior, drawn, at, marker, cursor };
    return { prior, layers, path, heat, classes, marks, decoder, points, theme, ...seen };
  }

  // How large everything is and which part of the plane is seen.
  layOut(scene) {
    const { plane, tiles, codes, marker } = this.parts;
    const size = { width: Math.max(1, plane.clientWidth), height: Math.max(1, plane.clientHeight) };
    this.seek ||= size.width !== this.window.width || size.height !== this.window.height;
    Object.assign(this.window, size);
    for (const canvas of [tiles, codes, marker]) fit(canvas, this.window, scene.theme.ratio);
    if (this.seek && size.height > 1) this.find(this.flight?.to ?? this.marker); // else the style sheet is not there yet
    plane.dataset.window = [this.window.x, this.window.y, this.window.scale].join(",");
    plane.dataset.path = JSON.stringify(scene.path ?? []);
    const ellipse = this.posterior?.ellipse;
    plane.dataset.posterior = ellipse ? ["x", "y", "a", "b", "angle"].map((name) => ellipse[name]).join(",") : "";
  }

  drawStill(scene) {
    const [under, over] = [this.parts.tiles, this.parts.codes].map((canvas) => canvas.getContext("2d"));
    this.tiles.draw(under, scene);
    if (scene.heat) {
      scene.heat.picture = heatPicture(scene.heat);
      drawHeat(under, scene);
    }
    drawStill(over, scene);
  }

  drawPoint(scene, at) {
    const { decoder } = this.content;
    if (decoder) this.show(toImageData(decoder.decode(at.z), decoder.imageShape));
    else if (this.data.fallback) this.showFallback();
    const waiting = !decoder && (this.controls.busy || this.number > this.data.heard);
    this.root.classList.toggle("latent-pad--waiting", waiting);
    this.readout.show(scene, at);
    this.network.show(at.z);
    this.network.showDraws(this.drawn);
    if (this.spoken !== undefined) this.readout.speak(this.plane, at, this.spoken);
    this.spoken = undefined;
    drawMoving(this.parts.marker.getContext("2d"), scene);
    const exact = (z) => Array.from(z, (value) => Number(value.toFixed(6))).join(",");
    this.root.dataset.z = exact(this.plane.point(this.marker.x, this.marker.y));
    this.root.dataset.drawn = this.drawn && !this.sampling ? exact(at.z) : "";
    this.root.dataset.decodes = this.decodes;
  }

  show(image) {
    put(this.parts.decoded, image);
    if (this.data.encoded) put(this.parts.netDecoded, image);
    if (!this.decodes++) performance.mark("latent-pad"); // for who measures how long a page took: benchmarks/opening.py
  }

  showFallback() {
    if (this.fallback === this.data.fallback) return;
    this.fallback = this.data.fallback;
    this.show(toImageData(fromBase64(this.fallback), this.data.imageShape, 1));
  }
}

const ease = (part) => part * part * (3 - 2 * part);
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
