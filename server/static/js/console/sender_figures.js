/** What the host's page really sends at this moment. */
import { t } from "../i18n/index.js";
import { Figure, measured } from "../ui/figure.js";
import { html } from "../ui/html.js";

/** `limitBps` is set while the server sheds what is beyond it. */
export const SenderFigures = ({ figures, limitBps }) => html`${limitBps &&
  html`<p role="alert" data-testid="over-limit">${t("figures.over_limit", { mbps: (limitBps / 1e6).toFixed(1) })}</p>`}
<dl class="figures" aria-label=${t("figures.sender")}>
  <${Figure} name="figures.bitrate" value=${figures ? `${(figures.bitrate_bps / 1e6).toFixed(2)} Mbps` : "–"} testid="bitrate" />
  <${Figure} name="figures.fps" value=${measured(figures?.fps, "fps")} testid="fps" />
  <${Figure} name="figures.size" value=${figures?.width ? `${figures.width}×${figures.height}` : "–"} />
  <${Figure} name="figures.rtt" value=${measured(figures?.rtt_ms, "ms")} testid="rtt" />
  <${Figure} name="figures.keyframes" value=${measured(figures?.keyframes, "")} testid="keyframes" />
</dl>`;
