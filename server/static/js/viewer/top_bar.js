/** Who is speaking, under which licence, and how many watch. */
import { formatNumber, t } from "../i18n/index.js";
import { signOut } from "../session.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { LanguageSwitch } from "../ui/language_switch.js";

export function TopBar({ room, role, live, openOrders }) {
  const host = room.broadcast?.host;
  return html`<header class="topbar">
    <div class="host">
      <span class="avatar" aria-hidden="true">${[...(host?.display_name ?? "·")][0]}</span>
      <div class="host__text">
        <h1 class="host__name">${host?.display_name ?? t("brand")}</h1>
        ${host?.licence_no && html`<p class="host__licence">${t("host.licence", { no: host.licence_no })}</p>`}
      </div>
    </div>
    <div class="topbar__state">
      ${live && html`<span class="live"><span class="live__dot" aria-hidden="true"></span>${t("stage.live")}</span>`}
      <span class="count"><${Icon} name="people" /><span class="sr">${t("room.online")}</span><span data-testid="online">${formatNumber(room.online)}</span></span>
    </div>
    <nav class="topbar__menu" aria-label=${t("menu.label")}>
      ${role === "viewer" &&
      html`<button type="button" class="chip-button" onClick=${openOrders} data-testid="orders-open"><${Icon} name="receipt" /><span>${t("orders.title")}</span></button>`}
      <${LanguageSwitch} />
      <button type="button" class="chip-button" onClick=${signOut} aria-label=${t("login.sign_out")}><${Icon} name="exit" /></button>
    </nav>
  </header>`;
}
