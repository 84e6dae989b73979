/** The monitor's queue: what is held, what viewers reported, and the acts that follow, each with its reason. */
import { get } from "../api.js";
import { formatMoment, t } from "../i18n/index.js";
import { errorText } from "../ui/errors.js";
import { html } from "../ui/html.js";
import { useLoaded } from "../ui/page.js";

const PERSON_ACTS = ["mute", "ban"];

/** @param {{broadcastId:string, changes:number, ask:(asking:object)=>void}} props */
export function Queue({ broadcastId, changes, ask }) {
  const { value, error } = useLoaded(() => get(`/api/v1/broadcasts/${broadcastId}/moderation?limit=50`), `${broadcastId} ${changes}`);
  const held = value?.held ?? [];
  const reports = value?.reports ?? [];
  return html`<section class="panel queue" aria-label=${t("queue.title")} data-testid="queue">
    <h2>${t("queue.title")} <span class="tab__count">${held.length + reports.length}</span></h2>
    ${error && html`<p class="form-error" role="alert">${errorText(error)}</p>`}
    ${value && held.length + reports.length === 0 && html`<p class="empty">${t("queue.empty")}</p>`}
    <ul class="queue__list">
      ${reports.map((one) => html`<${Reported} key=${`r ${one.comment?.comment_id}`} one=${one} ask=${ask} />`)}
      ${held.map((one) => html`<${Waiting} key=${one.comment_id} comment=${one} ask=${ask} />`)}
    </ul>
    <${Acts} acts=${value?.acts ?? []} />
  </section>`;
}

const Reported = ({ one, ask }) =>
  one.comment
    ? html`<${Waiting} comment=${one.comment} ask=${ask} note=${t("queue.reported", { count: one.count, reason: one.reason })} />`
    : html`<li class="queue__item" data-testid="reported-show"><p class="small">${t("queue.reported_show", { count: one.count, reason: one.reason })}</p></li>`;

function Waiting({ comment, ask, note }) {
  const { author } = comment;
  return html`<li class="queue__item" data-testid="queue-item" data-comment-id=${comment.comment_id}>
    <p><span class="line__author">${author.nickname}</span> ${comment.text}</p>
    ${note && html`<p class="small">${note}</p>`}
    <div class="row">
      <button type="button" class="button" onClick=${() => ask({ act: "release", comment })} data-testid="release">${t(note ? "queue.keep" : "queue.release")}</button>
      <button type="button" class="button button--danger" onClick=${() => ask({ act: "remove", comment })} data-testid="queue-remove">${t("desk.remove")}</button>
      ${author.role === "viewer" && PERSON_ACTS.map((act) => html`<button type="button" key=${act} class="button button--danger" onClick=${() => ask({ act, comment })} data-testid=${act}>${t(`desk.${act}`)}</button>`)}
    </div>
  </li>`;
}

const Acts = ({ acts }) =>
  acts.length > 0 &&
  html`<details class="queue__acts">
    <summary>${t("queue.acts", { count: acts.length })}</summary>
    <ul>
      ${acts.map((one, index) => html`<li key=${index} class="small">${formatMoment(one.at)} · ${one.act} · ${one.account_id ?? one.comment_id ?? one.detail} · ${one.actor_id}${one.reason ? ` · ${one.reason}` : ""}</li>`)}
    </ul>
  </details>`;
