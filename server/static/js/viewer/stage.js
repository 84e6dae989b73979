/** The picture, its sound control, and what the stage says when there is nothing to see. */
import { codeText } from "../ui/errors.js";
import { t } from "../i18n/index.js";
import { html, useEffect, useState } from "../ui/html.js";
import { Icon } from "../ui/icons.js";

const ICON = { terminated: "warning", paused: "pause", ended: "check", refused: "warning", banned: "warning" };

const SILENT = new Set(["not_started", "closed", "forbidden", "no_such_broadcast", "banned", "refused"]);
const NOTHING_TO_SEE = new Set(["not_started", "ended", "terminated", "forbidden", "no_such_broadcast", "banned"]);
const DARK = new Set(["terminated", "ended", "paused"]);

/** `elsewhere` is where to go from a show that has nothing to see, if anywhere. */
export function Stage({ video, phase, host, elsewhere }) {
  const [wide, setWide] = useState(false);
  const [muted, setMuted] = useState(true);
  const dark = DARK.has(phase.name);
  useEffect(() => {
    // A stream that was cut or paused must not be heard behind the notice.
    if (video.current) video.current.muted = muted || dark;
  }, [muted, dark]);
  const unmute = () => {
    video.current.muted = false;
    video.current.play().catch(() => {}); // Refused play leaves the control as it is; a second tap tries again.
    setMuted(false);
  };
  return html`<section class=${`stage ${wide ? "stage--wide" : ""}`} aria-label=${t("stage.label")}>
    <video
      ref=${video}
      class=${dark ? "stage__video is-dark" : "stage__video"}
      autoplay
      playsinline
      muted
      aria-label=${t("stage.video", { host: host ?? "" })}
      onResize=${(event) => setWide(event.target.videoWidth > event.target.videoHeight)}
      onLoadedmetadata=${(event) => event.target.play().catch(() => {})}
      data-testid="video"
    ></video>
    <${Banner} phase=${phase} elsewhere=${elsewhere} />
    ${!dark && !SILENT.has(phase.name) && html`<${SoundControl} muted=${muted} unmute=${unmute} mute=${() => setMuted(true)} />`}
  </section>`;
}

const SoundControl = ({ muted, unmute, mute }) =>
  muted
    ? html`<button type="button" class="sound-pill" onClick=${unmute} data-testid="sound"><${Icon} name="muted" />${t("stage.unmute")}</button>`
    : html`<button type="button" class="sound-pill sound-pill--on" onClick=${mute} aria-label=${t("stage.mute")} data-testid="sound"><${Icon} name="sound" /></button>`;

/** Always in the document, so that a screen reader hears each change. */
function Banner({ phase, elsewhere }) {
  const { name, code, quiet } = phase;
  const shown = name !== "playing";
  const spinning = ["loading", "waiting", "stalled", "reconnecting", "media_reconnecting", "media_full"].includes(name);
  return html`<div
    class=${`state-banner ${quiet ? "state-banner--quiet" : ""} ${shown ? "" : "is-empty"}`}
    role="status"
    data-testid="state-banner"
    data-state=${name}
  >
    ${shown &&
    html`${spinning ? html`<span class="spinner" aria-hidden="true"></span>` : html`<${Icon} name=${ICON[name] ?? "camera"} />`}
      <strong>${t(`stage.${name}`)}</strong>
      ${!quiet && html`<span>${code ? codeText(code) : t(`stage.${name}.more`)}</span>`}
      ${elsewhere && NOTHING_TO_SEE.has(name) && html`<a class="button" href=${elsewhere} data-testid="other-shows">${t("stage.other_shows")}</a>`}`}
  </div>`;
}
