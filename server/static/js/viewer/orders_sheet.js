/** One's own orders: look at a receipt again, go on with a reservation, cancel before the cut-off. */
import { get } from "../api.js";
import { formatMoney } from "../money.js";
import { formatMoment, t } from "../i18n/index.js";
import { errorText } from "../ui/errors.js";
import { html, useState } from "../ui/html.js";
import { useLoaded } from "../ui/page.js";
import { Sheet } from "../ui/sheet.js";
import { postOnce } from "./purchase/idempotency.js";
import { Receipt } from "./purchase/receipt.js";

const UNFINISHED = new Set(["reserved", "submitted", "outcome_unknown"]);

export function OrdersSheet({ lastOrder, say, resume, onClose }) {
  const orders = useLoaded(() => get("/api/v1/orders"), lastOrder);
  const [shown, setShown] = useState(null);
  const show = ({ order_id }) => get(`/api/v1/orders/${order_id}`).then(setShown, (error) => say(errorText(error), "bad"));
  const cancel = ({ order_id }) =>
    postOnce(`/api/v1/orders/${order_id}/cancel`).then(orders.reload, (error) => say(errorText(error), "bad"));
  const back = shown && (() => setShown(null));
  return html`<${Sheet} title=${t("orders.title")} kind="paper" onClose=${onClose} onBack=${back} testid="orders">
    ${shown && html`<${Receipt} order=${shown} onClose=${onClose} />`}
    ${!shown && orders.error && html`<p class="form-error" role="alert">${errorText(orders.error)}</p>`}
    ${!shown && orders.value?.orders.length === 0 && html`<p class="empty">${t("orders.none")}</p>`}
    ${!shown &&
    html`<ul class="orders">
      ${orders.value?.orders.map(
        (one) => html`<li key=${one.order_id} class="order" data-testid="order" data-state=${one.state}>
          <p class="order__name">${one.product_name}</p>
          <p class="order__amount">${formatMoney(one.amount_minor, one.currency)}</p>
          <p class="small">${formatMoment(one.created_at)} · ${t(`order.${one.state}`)}</p>
          <div class="row row--end">
            ${one.allowed.includes("cancel") && html`<button type="button" class="button" onClick=${() => cancel(one)}>${t("orders.cancel")}</button>`}
            ${UNFINISHED.has(one.state) && html`<button type="button" class="button button--primary" onClick=${() => resume(one)}>${t("orders.resume")}</button>`}
            ${one.receipt && html`<button type="button" class="button" onClick=${() => show(one)}>${t("orders.show")}</button>`}
          </div>
        </li>`,
      )}
    </ul>`}
  </${Sheet}>`;
}
