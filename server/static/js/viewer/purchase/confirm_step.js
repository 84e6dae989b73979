/** Quota is held for a few minutes by the server's clock; the customer submits, holds on a while longer, or lets go. */
import { formatMoney } from "../../money.js";
import { t } from "../../i18n/index.js";
import { html } from "../../ui/html.js";
import { Countdown, useLeftMs } from "./countdown.js";
import { IdentitySheet } from "./identity_sheet.js";
import { Failure, Refusal } from "./refusal.js";

export function ConfirmStep({ clock, state, submit, extend, release, again, unasked }) {
  const { order, busy, error, asked } = state;
  const leftMs = useLeftMs(order, clock);
  const expired = leftMs <= 0;
  const extendable = order.allowed?.includes("extend");
  return html`<div class="stack">
    <dl class="facts facts--large">
      <div><dt>${t("receipt.product")}</dt><dd>${order.product_name}</dd></div>
      <div><dt>${t("receipt.amount")}</dt><dd class="amount">${formatMoney(order.amount_minor, order.currency)}</dd></div>
      <div><dt>${t("confirm.fee")}</dt><dd>${formatMoney(order.fee_minor ?? 0, order.currency)}</dd></div>
    </dl>
    ${expired
      ? html`<${Refusal} code="reservation_expired" action=${again && html`<button type="button" class="button" onClick=${again} data-testid="reserve-again">${t("confirm.again")}</button>`} />`
      : html`<${Countdown} leftMs=${leftMs} />`}
    <${Failure} error=${error} />
    <div class="sheet-foot">
      <button type="button" class="button button--primary button--wide" disabled=${busy || expired} onClick=${() => submit()} data-testid="submit-order">${t(busy ? "confirm.busy" : "confirm.submit")}</button>
      ${!expired &&
      html`<div class="row row--spread">
        <button type="button" class="button button--plain" disabled=${busy} onClick=${release} data-testid="release">${t("confirm.release")}</button>
        ${extendable && html`<button type="button" class="button button--plain" disabled=${busy} onClick=${extend} data-testid="extend">${t("confirm.extend")}</button>`}
      </div>`}
    </div>
    ${asked && !expired && html`<${IdentitySheet} order=${order} clock=${clock} proved=${submit} onClose=${unasked} />`}
  </div>`;
}
