/** Quota is held for a few minutes by the server's clock; the customer submits or lets go. */
import { formatDuration } from "../../clock.js";
import { formatMoney } from "../../money.js";
import { t } from "../../i18n/index.js";
import { html } from "../../ui/html.js";
import { useServerNow } from "../../ui/use_room.js";
import { Failure, Refusal } from "./refusal.js";

export function ConfirmStep({ clock, state, submit, release, again }) {
  const { order, busy, error } = state;
  const leftMs = Date.parse(order.reserved_until) - useServerNow(clock, 250);
  const expired = leftMs <= 0;
  return html`<div class="stack">
    <dl class="facts facts--large">
      <div><dt>${t("receipt.product")}</dt><dd>${order.product_name}</dd></div>
      <div><dt>${t("receipt.amount")}</dt><dd class="amount">${formatMoney(order.amount_minor, order.currency)}</dd></div>
      <div><dt>${t("confirm.fee")}</dt><dd>${formatMoney(order.fee_minor ?? 0, order.currency)}</dd></div>
    </dl>
    ${expired
      ? html`<${Refusal} code="reservation_expired" action=${again && html`<button type="button" class="button" onClick=${again} data-testid="reserve-again">${t("confirm.again")}</button>`} />`
      : html`<p class="countdown" role="timer" aria-label=${t("confirm.left")}><span>${t("confirm.left")}</span><strong data-testid="countdown">${formatDuration(leftMs)}</strong></p>`}
    <${Failure} error=${error} />
    <div class="sheet-foot">
      <button type="button" class="button button--primary button--wide" disabled=${busy || expired} onClick=${submit} data-testid="submit-order">${t(busy ? "confirm.busy" : "confirm.submit")}</button>
      ${!expired && html`<button type="button" class="button button--plain button--wide" disabled=${busy} onClick=${release} data-testid="release">${t("confirm.release")}</button>`}
    </div>
  </div>`;
}
