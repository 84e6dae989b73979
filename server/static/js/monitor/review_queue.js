/** What waits for a checker: broadcasts and products in review. The server holds that a maker never checks. */
import { get, post } from "../api.js";
import { formatMinute, t } from "../i18n/index.js";
import { levels, Rating } from "../ui/card_facts.js";
import { Confirm } from "../ui/confirm.js";
import { errorText } from "../ui/errors.js";
import { html, useState } from "../ui/html.js";
import { useLoaded } from "../ui/page.js";
import { useToast } from "../ui/toast.js";
import { ShownList } from "./shown_list.js";

export function ReviewQueue() {
  const broadcasts = useLoaded(() => get("/api/v1/broadcasts?state=in_review&limit=50"), "broadcasts");
  const products = useLoaded(() => get("/api/v1/products"), "products");
  const [toasts, say] = useToast();
  const [rejecting, setRejecting] = useState(null);
  const decide = ({ path, version }, move, reason) =>
    post(`${path}/moves`, reason ? { move, reason } : { move }, version ? { "If-Match": `"${version}"` } : {}).then(
      () => (say(t(`review.done_${move}`), "good"), broadcasts.reload(), products.reload()),
      (error) => (say(errorText(error), "bad"), broadcasts.reload(), products.reload()),
    );
  const waiting = (products.value?.products ?? []).filter((one) => one.state === "in_review");
  const rejected = (reason) => (setRejecting(null), decide(rejecting, "reject", reason));
  return html`<main class="page">
    <div class="page__head"><h1>${t("review.broadcasts")}</h1></div>
    ${broadcasts.error && html`<p class="form-error" role="alert">${errorText(broadcasts.error)}</p>`}
    ${broadcasts.value?.broadcasts.length === 0 && html`<p class="empty">${t("review.none")}</p>`}
    <ul class="broadcasts">
      ${broadcasts.value?.broadcasts.map((one) => html`<${BroadcastInReview} key=${one.broadcast_id} one=${one} decide=${decide} reject=${setRejecting} />`)}
    </ul>
    <div class="page__head"><h2>${t("review.products")}</h2></div>
    ${products.error && html`<p class="form-error" role="alert">${errorText(products.error)}</p>`}
    ${products.value && waiting.length === 0 && html`<p class="empty">${t("review.none")}</p>`}
    <ul class="broadcasts">
      ${waiting.map((one) => html`<${ProductInReview} key=${one.product_id} one=${one} decide=${decide} reject=${setRejecting} />`)}
    </ul>
    <${ShownList} say=${say} />
    ${rejecting && html`<${Confirm} title=${t("review.reject")} text=${t("review.reject_why")} reasonLabel=${t("reason.label")} action=${t("review.reject")} danger testid="reject" onConfirm=${rejected} onClose=${() => setRejecting(null)} />`}
    ${toasts}
  </main>`;
}

/** `of` is what is decided about: its path, and its version where the server holds a decision to what was read. */
const Decision = ({ of, decide, reject }) => html`<div class="row row--end">
  <button type="button" class="button" onClick=${() => reject(of)} data-testid="reject">${t("review.reject")}</button>
  <button type="button" class="button button--primary" onClick=${() => decide(of, "approve")} data-testid="approve">${t("review.approve")}</button>
</div>`;

const BroadcastInReview = ({ one, decide, reject }) => html`<li class="review" data-testid="review" data-broadcast-id=${one.broadcast_id}>
  <h3>${one.title}</h3>
  <p>${one.summary}</p>
  <p class="small">${one.host.display_name} · ${t("host.licence", { no: one.host.licence_no ?? "–" })} · ${t("role.monitor")}: ${one.monitor?.display_name ?? "–"}${one.scheduled_at ? ` · ${formatMinute(one.scheduled_at)}` : ""}</p>
  <${ShelfInReview} path=${`/api/v1/broadcasts/${one.broadcast_id}`} version=${one.version} />
  <${Decision} of=${{ path: `/api/v1/broadcasts/${one.broadcast_id}`, version: one.version }} decide=${decide} reject=${reject} />
</li>`;

/** What the approval of the broadcast approves with it. */
function ShelfInReview({ path, version }) {
  const shelf = useLoaded(() => get(`${path}/shelf`), version);
  const products = shelf.value?.products ?? [];
  return html`<div class="review__shelf" data-testid="review-shelf">
    <h4>${t("shelf.title")}</h4>
    ${shelf.error && html`<p class="form-error" role="alert">${errorText(shelf.error)}</p>`}
    ${shelf.value && products.length === 0 && html`<p class="small">${t("card.none")}</p>`}
    <ul>
      ${products.map((one) => html`<li key=${one.product_id}><${Rating} card=${one} /> ${one.name} · ${one.issuer}</li>`)}
    </ul>
  </div>`;
}

const ProductInReview = ({ one, decide, reject }) => html`<li class="review" data-testid="review-product" data-product-id=${one.product_id}>
  <h3><${Rating} card=${one} /> ${one.name}</h3>
  <p>${one.issuer} · ${t("card.levels")} ${levels(one)}</p>
  <p class="disclosure">${one.disclosure_text}</p>
  <${Decision} of=${{ path: `/api/v1/products/${one.product_id}` }} decide=${decide} reject=${reject} />
</li>`;
