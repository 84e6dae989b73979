/** The viewer's page: one broadcast, watched, talked about and bought from without leaving it. */
import { t } from "../i18n/index.js";
import { OVER } from "../room_state.js";
import { CommentFlow, Pinned } from "../ui/comment_flow.js";
import { Confirm } from "../ui/confirm.js";
import { errorText } from "../ui/errors.js";
import { html, useState } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { Notices } from "../ui/notices.js";
import { PollBox } from "../ui/poll_box.js";
import { ShownCard } from "../ui/sheet.js";
import { startPage } from "../ui/page.js";
import { useToast } from "../ui/toast.js";
import { useLikes } from "../ui/use_likes.js";
import { useRoom } from "../ui/use_room.js";
import { useWhep } from "../ui/use_whep.js";
import { AssessmentSheet } from "./assessment/sheet.js";
import { CardStrip } from "./card_strip.js";
import { Composer } from "../ui/composer.js";
import { LikeButton } from "./like_button.js";
import { OpenOrder, useOpenOrders } from "./open_order.js";
import { OrdersSheet } from "./orders_sheet.js";
import { PurchaseSheet } from "./purchase/sheet.js";
import { Stage } from "./stage.js";
import { mayPlay, stagePhase } from "./stage_phase.js";
import { TipSheet } from "./tip_sheet.js";
import { TopBar } from "./top_bar.js";
import { usePast } from "./use_past.js";
import { useTip } from "./use_tip.js";

const broadcastId = decodeURIComponent(location.pathname.split("/").filter(Boolean).pop());

function Viewer({ config, session }) {
  const { account } = session;
  const joined = useRoom({
    gatewayUrl: config.gateway_url,
    broadcastId,
    accountId: account.account_id,
    resumes: true,
  });
  const { status, client, clock } = joined;
  const room = usePast(joined.room, status, broadcastId);
  const { video, media } = useWhep({ broadcastId, active: mayPlay(room, status), over: OVER.has(room.state) });
  const likes = useLikes({ client, connected: status.phase === "open", total: room.likes, accountId: account.account_id, broadcastId });
  const [toasts, say] = useToast();
  const tip = useTip({ client, broadcastId, say });
  // The card as it was opened: the flow goes on with it and says so when the one on stage has changed.
  const [sheet, setSheet] = useState(null);
  const close = () => setSheet(null);
  const phase = stagePhase(room, status, media);
  const silent = status.phase === "closed" || OVER.has(room.state);
  const isViewer = account.role === "viewer";
  const openOrders = useOpenOrders(isViewer, `${room.lastOrder?.order_id} ${room.lastOrder?.state} ${sheet?.name}`);
  const resume = (order) => setSheet({ name: "buy", card: null, order });
  const report = (one, tabIndex) =>
    one.author.account_id !== account.account_id &&
    html`<button type="button" class="line__action line__action--quiet" tabindex=${tabIndex} onClick=${() => setSheet({ name: "report", comment: one })} aria-label=${t("report.one", { text: one.text })} title=${t("report.title")} data-testid="report"><${Icon} name="flag" /></button>`;
  const sendReport = (reason) => {
    close();
    const frame = { type: "report", comment_id: sheet.comment.comment_id, reason };
    client.act(frame).then(() => say(t("report.sent"), "good"), (error) => say(errorText(error), "bad"));
  };

  return html`<${ShownCard.Provider} value=${room.card}><main class=${`room ${sheet && sheet.name !== "tip" ? "room--paper" : ""}`}>
    <a class="skip" href="#say" data-testid="skip">${t("menu.skip")}</a>
    <${Stage} video=${video} phase=${phase} host=${room.broadcast?.host.display_name} elsewhere="/" />
    <${TopBar} room=${room} role=${account.role} live=${room.state === "live" && room.publisher !== "none"} openOrders=${() => setSheet({ name: "orders" })} />
    <section class="side" aria-label=${t("room.label")}>
      <h2 class="side__title">${room.broadcast?.title}</h2>
      <div class="side__news">
        <${Pinned} comment=${room.pinned} />
        <${Notices} room=${room} />
        <${PollBox} poll=${room.poll} client=${client} say=${say} votes=${isViewer && !silent} />
      </div>
      <${CommentFlow} comments=${room.comments} you=${room.you} actions=${isViewer && report} />
      <${OpenOrder} orders=${openOrders} clock=${clock} resume=${resume} />
      <${CardStrip} card=${room.card} open=${() => setSheet({ name: "buy", card: room.card })} />
      <${Composer} limits=${room.limits} client=${client} say=${say} disabled=${silent || !room.ready}>
        ${isViewer &&
        html`<button type="button" class="round" onClick=${() => setSheet({ name: "tip" })} disabled=${silent || !room.ready} aria-label=${t("tip.title")} title=${t("tip.title")} data-testid="tip-open"><${Icon} name="points" /></button>`}
        ${isViewer && html`<${LikeButton} total=${likes.total} like=${likes.like} disabled=${silent || !room.ready} />`}
      </${Composer}>
    </section>
    ${sheet?.name === "buy" &&
    html`<${PurchaseSheet} broadcastId=${broadcastId} opened=${sheet.card} resumed=${sheet.order} room=${room} clock=${clock} role=${account.role} assess=${() => setSheet({ name: "assess", card: sheet.card })} onClose=${close} />`}
    ${sheet?.name === "assess" &&
    html`<${AssessmentSheet} done=${() => setSheet({ name: "buy", card: sheet.card })} onClose=${close} />`}
    ${sheet?.name === "report" &&
    html`<${Confirm} title=${t("report.title")} text=${t("report.text", { text: sheet.comment.text })} reasonLabel=${t("reason.label")} action=${t("report.send")} testid="report" onConfirm=${sendReport} onClose=${close} />`}
    ${sheet?.name === "tip" && html`<${TipSheet} room=${room} tip=${tip} onClose=${close} />`}
    ${sheet?.name === "orders" && html`<${OrdersSheet} lastOrder=${room.lastOrder} say=${say} resume=${resume} onClose=${close} />`}
    ${toasts}
  </main></${ShownCard.Provider}>`;
}

startPage(Viewer, {
  roles: ["viewer", "host", "guest", "monitor", "checker", "operator"],
  offered: ["viewer"],
  title: "viewer.title",
});
