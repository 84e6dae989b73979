/** The receipt as the customer keeps it: every field of the record, printable. */
import { formatDuration } from "../../clock.js";
import { formatMoney } from "../../money.js";
import { formatMoment, t, tFirst } from "../../i18n/index.js";
import { html } from "../../ui/html.js";
import { Icon } from "../../ui/icons.js";

export function Receipt({ order, onClose }) {
  const { receipt } = order;
  if (!receipt) return html`<p role="status">${t(`order.${order.state}`)}</p>`;
  return html`<div class="stack">
    <article class="receipt" data-testid="receipt" data-order-id=${receipt.order_id}>
      <header>
        <p class="brand">${t("brand")}</p>
        <h3>${t("receipt.title")}</h3>
        <p class="receipt__state"><${Icon} name="check" />${t(`order.${order.state}`)}</p>
        <p class="receipt__amount">${formatMoney(receipt.amount.amount_minor, receipt.amount.currency)}</p>
      </header>
      <dl class="facts">
        ${rows(order).map(([name, value, mono]) => html`<div key=${name}><dt>${t(name)}</dt><dd class=${mono ? "mono" : ""}>${value}</dd></div>`)}
      </dl>
      <h4>${t("receipt.disclosure")}</h4>
      <p class="disclosure">${receipt.disclosure_text}</p>
      <p class="small digest">SHA-256 ${receipt.disclosure_sha256}</p>
    </article>
    <div class="row row--end no-print">
      <button type="button" class="button" onClick=${() => window.print()}><${Icon} name="print" />${t("receipt.print")}</button>
      <button type="button" class="button button--primary" onClick=${onClose} data-testid="receipt-close">${t("receipt.back")}</button>
    </div>
  </div>`;
}

function rows({ receipt }) {
  const streamTime = receipt.stream_time_ms === null ? "–" : formatDuration(receipt.stream_time_ms);
  return [
    ["receipt.order", receipt.order_id, true],
    ["receipt.customer", receipt.customer_name],
    ["receipt.product", receipt.product],
    ["receipt.version", receipt.card_version],
    ["receipt.risk", tFirst([`card.${receipt.risk_rating}`], receipt.risk_rating)],
    ["receipt.tolerance", receipt.risk_tolerance],
    ["receipt.acknowledgement", receipt.acknowledgement_text],
    ["receipt.method", tFirst([`receipt.method_${receipt.acknowledgement_method}`], receipt.acknowledgement_method)],
    ["receipt.acknowledged_at", formatMoment(receipt.acknowledged_at)],
    ["receipt.accepted_at", formatMoment(receipt.accepted_at)],
    ["receipt.stream_time", streamTime],
    ["receipt.broadcast", receipt.broadcast_title],
    ["receipt.host", receipt.host],
    ["receipt.licence", receipt.licence_no],
  ];
}
