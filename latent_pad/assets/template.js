// The pad's nodes. Nothing of anybody's data is in this text: names and numbers are set as text later.

// A canvas that is fitted to the plane must not make it larger, also where the style sheet comes late.
const WITHIN = "position: absolute; inset: 0; width: 100%; height: 100%";

export const TEMPLATE = `
<div class="latent-pad" data-testid="latent-pad" data-z="" data-decodes="0">
  <div class="latent-pad__left">
    <div class="latent-pad__stage">
      <div class="latent-pad__plane" style="position: relative" data-testid="latent-plane" data-part="plane" tabindex="0"
           role="application" aria-roledescription="latent plane"
           aria-label="Latent plane. Arrow keys move the point, with Shift in larger steps. Plus and minus zoom, 0 shows all.">
        <canvas data-part="tiles" style="${WITHIN}" aria-hidden="true"></canvas>
        <canvas data-part="codes" style="${WITHIN}" aria-hidden="true"></canvas>
        <canvas data-part="marker" style="${WITHIN}" aria-hidden="true"></canvas>
      </div>
      <div class="latent-pad__tools">
        <span data-part="sampling" class="latent-pad__tool-group" hidden>
          <button type="button" class="latent-pad__tool latent-pad__tool--first" data-part="draw" data-testid="pad-draw"
                  title="Draw ε from N(0, I), and go to z = μ + σ · ε">Draw z</button>
          <button type="button" class="latent-pad__tool" data-part="near" data-testid="pad-near"
                  title="Zoom to the posterior of the image">Zoom to q(z|x)</button>
        </span>
        <span class="latent-pad__tool-group">
          <button type="button" class="latent-pad__tool" data-part="closer" aria-label="Zoom in"
                  title="Zoom in (+, or Ctrl and the wheel)">+</button>
          <button type="button" class="latent-pad__tool" data-part="farther" aria-label="Zoom out"
                  title="Zoom out (−, or Ctrl and the wheel)">−</button>
          <button type="button" class="latent-pad__tool" data-part="all" data-testid="pad-all"
                  title="Show all of the plane (0, or a double click)">All</button>
        </span>
      </div>
    </div>
    <ul class="latent-pad__legend" data-part="legend" aria-label="Classes"></ul>
  </div>
  <div class="latent-pad__right">
    <div class="latent-pad__screen">
      <canvas data-testid="decoded" data-part="decoded" width="1" height="1" role="img" aria-label="Decoded image"></canvas>
    </div>
    <p class="latent-pad__shown" data-part="shown" data-testid="pad-shown" hidden></p>
    <p class="latent-pad__notice" data-part="notice" data-testid="pad-notice" hidden></p>
    <div class="latent-pad__facts">
      <dl class="latent-pad__numbers">
        <div><dt data-part="labelX"></dt><dd data-part="x"></dd><dd></dd></div>
        <div data-part="rowY"><dt data-part="labelY"></dt><dd data-part="y"></dd><dd></dd></div>
        <div data-part="rowDensity"><dt>log p(z)</dt><dd data-part="density" data-testid="log-prior"></dd><dd>nats</dd></div>
        <div data-part="rowNearest">
          <dt>nearest</dt><dd data-part="distance" data-testid="nearest-distance"></dd><dd>in z</dd>
        </div>
      </dl>
      <figure class="latent-pad__nearest" data-part="nearest" hidden>
        <canvas data-part="thumb" data-testid="nearest-image" width="1" height="1" role="img"></canvas>
        <figcaption data-part="nearestName"></figcaption>
      </figure>
    </div>
  </div>
  <section class="latent-pad__network" data-part="network" data-testid="pad-network" hidden
           aria-label="From the image to its code and back">
    <div class="latent-pad__chain">
      <figure><canvas data-part="netImage" width="1" height="1" role="img" aria-label="The image x"></canvas>
        <figcaption>x</figcaption></figure>
      <span class="latent-pad__funnel">encoder</span>
      <table>
        <thead data-part="netHead"></thead>
        <tbody data-part="netRows" data-testid="pad-values"></tbody>
      </table>
      <span class="latent-pad__funnel latent-pad__funnel--out">decoder</span>
      <figure><canvas data-part="netDecoded" width="1" height="1" role="img" aria-label="What the decoder makes of z"></canvas>
        <figcaption>x̂</figcaption></figure>
    </div>
    <div class="latent-pad__drawn" data-part="netDrawn">
      <p>Ten draws z = μ + σ · ε, ε ~ N(0, I), decoded: what the code leaves open</p>
      <ol data-part="netDraws" data-testid="pad-draws"></ol>
    </div>
    <p class="latent-pad__formula" data-part="netFormula"></p>
  </section>
  <p class="latent-pad__spoken" data-part="spoken" aria-live="polite"></p>
</div>`;
