/** One broadcast opened by its host: prepare, go on air, feature, answer, end. */
import { get, post } from "../api.js";
import { t } from "../i18n/index.js";
import { OVER } from "../room_state.js";
import { Confirm } from "../ui/confirm.js";
import { errorText } from "../ui/errors.js";
import { html, useEffect, useState } from "../ui/html.js";
import { useLoaded } from "../ui/page.js";
import { RoomFigures } from "../ui/room_figures.js";
import { StateTag } from "../ui/staff_bar.js";
import { useToast } from "../ui/toast.js";
import { useRoom } from "../ui/use_room.js";
import { Controls } from "./controls.js";
import { DraftForm } from "./draft_form.js";
import { EncoderToken } from "./encoder_token.js";
import { Preview } from "./preview.js";
import { Readiness, useReadiness } from "./readiness.js";
import { ShowReport } from "../ui/show_report.js";
import { SenderFigures } from "./sender_figures.js";
import { Shelf } from "./shelf.js";
import { Talk } from "./talk.js";
import { useCamera } from "./use_camera.js";
import { usePublisher } from "./use_publisher.js";

const APPROVED = new Set(["approved", "scheduled", "rehearsal", "live", "paused"]);
const PUBLISHABLE = new Set(["rehearsal", "live", "paused"]);
const EDITABLE = new Set(["draft", "in_review", "approved", "rejected", "scheduled"]);

/** What the host can send: this page's camera, another encoder where the browser gives no camera, or nothing yet. */
const sourceOf = (camera) => (camera.stream ? "camera" : camera.error ? "encoder" : null);

export function Studio({ config, session, broadcastId }) {
  const path = `/api/v1/broadcasts/${broadcastId}`;
  const [known, setKnown] = useState(null);
  const [toasts, say] = useToast();
  const [sheet, setSheet] = useState(null);
  const [sendWanted, setSendWanted] = useState(false);
  const [busy, setBusy] = useState(false);
  const staged = APPROVED.has(known?.state);
  const { room, client, clock } = useRoom({ gatewayUrl: config.gateway_url, broadcastId, accountId: session.account.account_id, active: staged });
  const loaded = useLoaded(() => get(path), `${broadcastId} ${room.state}`);
  useEffect(() => loaded.value && setKnown(loaded.value), [loaded.value]);

  const camera = useCamera(staged);
  const wanted = sendWanted && PUBLISHABLE.has(known?.state);
  const { link, figures } = usePublisher({ broadcastId, stream: camera.stream, wanted, silenced: known?.state === "paused", over: OVER.has(known?.state) });
  const readiness = useReadiness(broadcastId, staged && known.state !== "live");

  const move = async (name, { thenSend = false } = {}) => {
    setBusy(true);
    try {
      setKnown(await post(`${path}/moves`, { move: name }));
      if (thenSend) setSendWanted(true);
    } catch (error) {
      say(errorText(error), "bad");
      readiness.reload();
    }
    setBusy(false);
  };
  if (!known)
    return html`<main class="page">${loaded.error ? html`<p class="form-error" role="alert">${errorText(loaded.error)}</p>` : html`<p role="status">${t("page.loading")}</p>`}</main>`;
  return html`<main class="studio">
    <header class="studio__head">
      <h1>${known.title}</h1>
      <${StateTag} state=${known.state} />
      <div class="row">
        ${EDITABLE.has(known.state) && html`<button type="button" class="button" onClick=${() => setSheet("edit")} data-testid="edit">${t("draft.edit")}</button>`}
        ${["submit", "revise", "cancel"].filter((name) => known.allowed_moves.includes(name)).map((name) => html`<button type="button" key=${name} class=${`button ${name === "submit" ? "button--primary" : ""}`} disabled=${busy} onClick=${() => (name === "cancel" ? setSheet("cancel") : move(name))} data-testid=${name}>${t(`move.${name}`)}</button>`)}
        ${staged && html`<button type="button" class="button" onClick=${() => setSheet("encoder")} data-testid="encoder-open">${t("encoder.title")}</button>`}
        ${known.started_at && html`<button type="button" class="button" onClick=${() => setSheet("report")} data-testid="report-open">${t("funnel.title")}</button>`}
      </div>
    </header>
    ${staged
      ? html`<div class="studio__stage">
            <${Preview} camera=${camera} sending=${link.phase === "connected" && known.state === "live"} />
            <${Controls} broadcast=${known} link=${link} wanted=${wanted} ready=${readiness.value?.ready} source=${sourceOf(camera)} busy=${busy} move=${move} send=${() => setSendWanted(true)} />
            <${SenderFigures} figures=${figures} limitBps=${room.publisherLimitBps} />
          </div>
          <div class="studio__sale">
            ${known.state !== "live" && known.state !== "paused" && html`<${Readiness} readiness=${readiness} approved=${APPROVED.has(known.state)} />`}
            <${Shelf} broadcastId=${broadcastId} version=${known.version} room=${room} say=${say} />
          </div>
          <div class="studio__talk">
            <${RoomFigures} room=${room} clock=${clock} points=${room.tipped} />
            <${Talk} room=${room} client=${client} say=${say} />
          </div>`
      : html`<section class="panel studio__note">
          <p>${known.summary}</p>
          <p class="notice">${t(`next.${known.state}`)}</p>
        </section>`}
    ${sheet === "edit" && html`<${DraftForm} broadcast=${known} monitors=${known.monitor ? [known.monitor] : []} onClose=${() => setSheet(null)} onSaved=${(next) => (setKnown(next), setSheet(null))} />`}
    ${sheet === "cancel" && html`<${Confirm} title=${t("move.cancel")} text=${t("move.cancel_sure")} action=${t("move.cancel")} danger testid="cancel" onClose=${() => setSheet(null)} onConfirm=${() => (setSheet(null), move("cancel"))} />`}
    ${sheet === "report" && html`<${ShowReport} broadcastId=${broadcastId} say=${say} onClose=${() => setSheet(null)} />`}
    ${sheet === "encoder" && html`<${EncoderToken} broadcastId=${broadcastId} say=${say} onClose=${() => setSheet(null)} />`}
    ${toasts}
  </main>`;
}
