/** One broadcast under watch: picture, every comment with held ones marked, the card, and the switch that cuts. */
import { call, post } from "../api.js";
import { t } from "../i18n/index.js";
import { OVER } from "../room_state.js";
import { levels, QuotaBar, Rating, Sentences, Yield } from "../ui/card_facts.js";
import { CommentFlow, Pinned } from "../ui/comment_flow.js";
import { Confirm } from "../ui/confirm.js";
import { errorText } from "../ui/errors.js";
import { html, useState } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { StateTag } from "../ui/staff_bar.js";
import { Notices } from "../ui/notices.js";
import { PollBox } from "../ui/poll_box.js";
import { useToast } from "../ui/toast.js";
import { useRoom } from "../ui/use_room.js";
import { useWhep } from "../ui/use_whep.js";
import { RoomFigures } from "../ui/room_figures.js";
import { ShowReport } from "../ui/show_report.js";
import { Stage } from "../viewer/stage.js";
import { mayPlay, stagePhase } from "../viewer/stage_phase.js";
import { Presence } from "./presence.js";
import { Queue } from "./queue.js";
import { RoomRules } from "./room_rules.js";
import { SHOWN } from "./shown_list.js";

const MUTE_S = 600;
const CUTTABLE = new Set(["rehearsal", "live", "paused"]);

export function Desk({ config, session, broadcastId }) {
  const { account } = session;
  const { room, status, client, clock } = useRoom({ gatewayUrl: config.gateway_url, broadcastId, accountId: account.account_id });
  const { video, media } = useWhep({ broadcastId, active: mayPlay(room, status) || room.state === "rehearsal", over: OVER.has(room.state) });
  const [toasts, say] = useToast();
  const [asking, setAsking] = useState(null);
  const [acted, setActed] = useState(0);
  const [reading, setReading] = useState(false);
  const path = `/api/v1/broadcasts/${broadcastId}`;
  const tell = (work, done) => work.then(() => say(done, "good"), (error) => say(errorText(error), "bad"));
  const act = (frame, done) => tell(client.act(frame).then(() => setActed(acted + 1)), t(done));
  const acts = {
    terminate: (reason) => tell(post(`${path}/moves`, { move: "terminate", reason }), t("desk.terminated")),
    pull: (reason) => tell(call("DELETE", `${path}/card`, { body: { reason } }), t("shelf.pulled")),
    remove: (reason) => tell(client.remove(asking.comment.comment_id, reason), t("desk.removed")),
    release: (reason) => act({ type: "release", comment_id: asking.comment.comment_id, reason }, "desk.released"),
    mute: (reason) => act({ type: "mute", account_id: asking.comment.author.account_id, seconds: MUTE_S, reason }, "desk.muted"),
    ban: (reason) => act({ type: "ban", account_id: asking.comment.author.account_id, reason }, "desk.banned"),
  };
  const confirmed = (reason) => (setAsking(null), acts[asking.act](reason));
  const isMonitor = account.role === "monitor";
  const remove = (one, tabIndex) =>
    isMonitor &&
    html`<button type="button" class="line__action" tabindex=${tabIndex} onClick=${() => setAsking({ act: "remove", comment: one })} aria-label=${t("desk.remove_one", { text: one.text })} title=${t("desk.remove")} data-testid="remove"><${Icon} name="close" /></button>`;
  return html`<main class="watchdesk">
    <header class="studio__head">
      <h1>${room.broadcast?.title ?? broadcastId}</h1>
      ${room.state && html`<${StateTag} state=${room.state} />`}
      ${isMonitor && !OVER.has(room.state) && html`<${Presence} status=${status} assigned=${room.broadcast?.monitor?.account_id === account.account_id} ready=${room.ready} />`}
      ${SHOWN.has(room.state) && html`<button type="button" class="button" onClick=${() => setReading(true)} data-testid="report-open">${t("funnel.title")}</button>`}
      ${isMonitor && CUTTABLE.has(room.state) && html`<button type="button" class="button button--danger" onClick=${() => setAsking({ act: "terminate" })} data-testid="terminate"><${Icon} name="stop" />${t("desk.terminate")}</button>`}
    </header>
    <div class="watchdesk__stage">
      <${Stage} video=${video} phase=${stagePhase(room, status, media)} host=${room.broadcast?.host.display_name} />
      <p class="small">${room.broadcast && `${room.broadcast.host.display_name} · ${room.broadcast.host.employee_no} · ${t("host.licence", { no: room.broadcast.host.licence_no })}`}</p>
      <${RoomFigures} room=${room} clock=${clock} />
      ${isMonitor && html`<${Queue} broadcastId=${broadcastId} changes=${room.queueChanges + acted} ask=${setAsking} />`}
    </div>
    <section class="panel watchdesk__talk" aria-label=${t("comments.label")}>
      <h2>${t("desk.comments")}</h2>
      ${isMonitor && client && html`<${RoomRules} rules=${room.rules} client=${client} say=${say} />`}
      <${Notices} room=${room} />
      <${PollBox} poll=${room.poll} client=${client} say=${say} />
      <${Pinned} comment=${room.pinned} />
      <${CommentFlow} comments=${room.comments} you=${room.you} actions=${remove} />
    </section>
    <section class="panel watchdesk__card" aria-label=${t("card.label")}>
      <h2>${t("card.label")}</h2>
      ${room.card ? html`<${CardOnStage} card=${room.card} pull=${isMonitor && (() => setAsking({ act: "pull" }))} />` : html`<p class="empty">${t("desk.no_card")}</p>`}
    </section>
    ${asking &&
    html`<${Confirm} title=${t(`desk.${asking.act}`)} text=${t(`desk.${asking.act}_sure`, { text: asking.comment?.text ?? "", nickname: asking.comment?.author.nickname ?? "" })} reasonLabel=${t("reason.label")} action=${t(`desk.${asking.act}`)} danger=${asking.act !== "release"} testid=${asking.act} onConfirm=${confirmed} onClose=${() => setAsking(null)} />`}
    ${reading && html`<${ShowReport} broadcastId=${broadcastId} say=${say} onClose=${() => setReading(false)} />`}
    ${toasts}
  </main>`;
}

const CardOnStage = ({ card, pull }) => html`<div class="stack" data-testid="card" data-product-id=${card.product_id}>
  <div class="product__head"><${Rating} card=${card} /><strong data-testid="card-name">${card.name}</strong></div>
  <${Yield} card=${card} />
  <p class="small">${t("card.levels")} ${levels(card)} · ${t("receipt.version")} ${card.card_version}</p>
  <${QuotaBar} card=${card} />
  <${Sentences} card=${card} />
  ${pull && html`<button type="button" class="button button--danger" onClick=${pull} data-testid="pull-card">${t("desk.pull")}</button>`}
</div>`;
