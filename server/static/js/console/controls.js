/** The show's own switches: on air, pause, end. What is possible comes from the server's list of moves. */
import { t } from "../i18n/index.js";
import { codeText } from "../ui/errors.js";
import { Confirm } from "../ui/confirm.js";
import { html, useState } from "../ui/html.js";
import { Icon } from "../ui/icons.js";

const ON_AIR = new Set(["live", "paused"]);

/** @param {{broadcast:object, link:object, wanted:boolean, ready:boolean, source:?("camera"|"encoder"), busy:boolean, move:function, send:function}} props */
export function Controls({ broadcast, link, wanted, ready, source, busy, move, send }) {
  const [ending, setEnding] = useState(false);
  const { allowed_moves: moves, state } = broadcast;
  const can = (name) => moves.includes(name);
  const onAir = ON_AIR.has(state);
  const thenSend = source === "camera";
  return html`<section class="controls" aria-label=${t("controls.label")}>
    ${can("go_live") &&
    html`<button type="button" class="button button--live" disabled=${busy || !ready || !source} onClick=${() => move("go_live", { thenSend })} data-testid="go-live"><${Icon} name="camera" />${t(source === "encoder" ? "controls.go_live_by_encoder" : "controls.go_live")}</button>`}
    ${can("rehearse") &&
    html`<button type="button" class="button" disabled=${busy || !source} onClick=${() => move("rehearse", { thenSend })} data-testid="rehearse">${t("controls.rehearse")}</button>`}
    ${(onAir || state === "rehearsal") && !wanted &&
    html`<button type="button" class="button button--live" disabled=${!thenSend} onClick=${send} data-testid=${onAir ? "go-live" : "send"}><${Icon} name="camera" />${t("controls.send")}</button>`}
    ${can("pause") && html`<button type="button" class="button" disabled=${busy} onClick=${() => move("pause")} data-testid="pause"><${Icon} name="pause" />${t("controls.pause")}</button>`}
    ${can("resume") && html`<button type="button" class="button button--primary" disabled=${busy} onClick=${() => move("resume")} data-testid="resume"><${Icon} name="play" />${t("controls.resume")}</button>`}
    ${can("end") && html`<button type="button" class="button button--danger" disabled=${busy} onClick=${() => setEnding(true)} data-testid="end"><${Icon} name="stop" />${t("controls.end")}</button>`}
    ${wanted && html`<p class="link-state" role="status" data-testid="publisher" data-phase=${link.phase}>${t(`link.${link.phase}`)}${link.code ? ` · ${codeText(link.code)}` : ""}</p>`}
    ${ending &&
    html`<${Confirm} title=${t("controls.end")} text=${t("controls.end_sure")} action=${t("controls.end")} danger testid="end" onClose=${() => setEnding(false)} onConfirm=${() => (setEnding(false), move("end"))} />`}
  </section>`;
}
