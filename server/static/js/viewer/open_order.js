/** A purchase that was begun and not finished, here or before the page was closed: offered to go on with. */
import { formatDuration } from "../clock.js";
import { get } from "../api.js";
import { formatMoney } from "../money.js";
import { t } from "../i18n/index.js";
import { html } from "../ui/html.js";
import { useLoaded } from "../ui/page.js";
import { useServerNow } from "../ui/use_room.js";

/** One's own unfinished orders, newest first; read again when `key` changes. */
export function useOpenOrders(isViewer, key) {
  const answer = useLoaded(() => (isViewer ? get("/api/v1/orders?open=true") : Promise.resolve({ orders: [] })), key);
  return answer.value?.orders ?? [];
}

export function OpenOrder({ orders, clock, resume }) {
  const now = useServerNow(clock);
  // A reservation whose time is over is history, even before the server has swept it.
  const order = orders.find((one) => one.state !== "reserved" || Date.parse(one.reserved_until) > now);
  if (!order) return null;
  const reserved = order.state === "reserved";
  return html`<section class="open-order" aria-label=${t("orders.unfinished")} data-testid="open-order" data-state=${order.state}>
    <p>
      <strong>${t("orders.unfinished")}</strong>
      <span>${order.product_name} · ${formatMoney(order.amount_minor, order.currency, { short: true })}</span>
      <span>${reserved ? t("orders.held_for", { time: formatDuration(Date.parse(order.reserved_until) - now) }) : t(`order.${order.state}`)}</span>
    </p>
    <button type="button" class="button button--gold" onClick=${() => resume(order)} data-testid="open-order-resume">${t(reserved ? "orders.resume" : "orders.look")}</button>
  </section>`;
}
