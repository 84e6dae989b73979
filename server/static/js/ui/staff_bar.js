/** The bar above every staff page: where one is, who one is, the language, the way out. */
import { t } from "../i18n/index.js";
import { signOut } from "../session.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { LanguageSwitch } from "./language_switch.js";

export const StaffBar = ({ session, back }) => html`<header class="staffbar">
  ${back && html`<a class="icon-button" href=${back} aria-label=${t("action.back")} data-testid="back"><${Icon} name="back" /></a>`}
  <p class="brand">${t("brand")}</p>
  <p class="staffbar__who"><span class="tag tag--staff">${t(`role.${session.account.role}`)}</span>${session.account.display_name}</p>
  <${LanguageSwitch} />
  <button type="button" class="chip-button" onClick=${signOut} data-testid="sign-out"><${Icon} name="exit" /><span>${t("login.sign_out")}</span></button>
</header>`;

export const StateTag = ({ state }) =>
  html`<span class=${`state-tag state-tag--${state}`} data-testid="broadcast-state" data-state=${state}>${t(`state.${state}`)}</span>`;
