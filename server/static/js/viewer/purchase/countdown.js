/** What is left of a reservation by the server's clock; read out by nobody unasked, for it changes every second. */
import { formatDuration } from "../../clock.js";
import { t } from "../../i18n/index.js";
import { html } from "../../ui/html.js";
import { useServerNow } from "../../ui/use_room.js";

export const useLeftMs = (order, clock) => Date.parse(order.reserved_until) - useServerNow(clock, 250);

export const Countdown = ({ leftMs }) => html`<p class="countdown" role="timer" aria-label=${t("confirm.left")}>
  <span>${t("confirm.left")}</span><strong data-testid="countdown">${formatDuration(leftMs)}</strong>
</p>`;
