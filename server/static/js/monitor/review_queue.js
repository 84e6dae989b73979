/** What waits for a checker: broadcasts and products in review. The server holds that a maker never checks. */
import { get, post } from "../api.js";
import { formatMoment, t } from "../i18n/index.js";
import { levels, Rating } from "../ui/card_facts.js";
import { Confirm } from "../ui/confirm.js";
import { errorText } from "../ui/errors.js";
import { html, useState } from "../ui/html.js";
import { useLoaded } from "../ui/page.js";
import { useToast } from "../ui/toast.js";

export function ReviewQueue() {
  const broadcasts = useLoaded(() => get("/api/v1/broadcasts?state=in_review&limit=50"), "broadcasts");
  const products = useLoaded(() => get("/api/v1/products"), "products");
  const [toasts, say] = useToast();
  const [rejecting, setRejecting] = useState(null);
  const decide = (path, move, reason) =>
    post(`${path}/moves`, reason ? { move, reason } : { move }).then(
      () => (say(t(`review.done_${move}`), "good"), broadcasts.reload(), products.reload()),
      (error) => say(errorText(error), "bad"),
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
    ${rejecting && html`<${Confirm} title=${t("review.reject")} text=${t("review.reject_why")} reasonLabel=${t("reason.label")} action=${t("review.reject")} danger testid="reject" onConfirm=${rejected} onClose=${() => setRejecting(null)} />`}
    ${toasts}
  </main>`;
}

const Decision = ({ path, decide, reject }) => html`<div class="row row--end">
  <button type="button" class="button" onClick=${() => reject(path)} data-testid="reject">${t("review.reject")}</button>
  <button type="button" class="button button--primary" onClick=${() => decide(path, "approve")} data-testid="approve">${t("review.approve")}</button>
</div>`;

const BroadcastInReview = ({ one, decide, reject }) => html`<li class="review" data-testid="review" data-broadcast-id=${one.broadcast_id}>
  <h3>${one.title}</h3>
  <p>${one.summary}</p>
  <p class="small">${one.host.display_name} · ${t("host.licence", { no: one.host.licence_no ?? "–" })} · ${t("role.monitor")}: ${one.monitor?.display_name ?? "–"}${one.scheduled_at ? ` · ${formatMoment(one.scheduled_at)}` : ""}</p>
  <${Decision} path=${`/api/v1/broadcasts/${one.broadcast_id}`} decide=${decide} reject=${reject} />
</li>`;

const ProductInReview = ({ one, decide, reject }) => html`<li class="review" data-testid="review-product" data-product-id=${one.product_id}>
  <h3><${Rating} card=${one} /> ${one.name}</h3>
  <p>${one.issuer} · ${t("card.levels")} ${levels(one)}</p>
  <p class="disclosure">${one.disclosure_text}</p>
  <${Decision} path=${`/api/v1/products/${one.product_id}`} decide=${decide} reject=${reject} />
</li>`;
