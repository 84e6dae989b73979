/** The front page: sign in, then the shows to watch or the desk that the role works at. */
import { get } from "../api.js";
import { formatMinute, t } from "../i18n/index.js";
import { signOut } from "../session.js";
import { errorText } from "../ui/errors.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { LanguageSwitch } from "../ui/language_switch.js";
import { startPage, useLoaded } from "../ui/page.js";
import { StateTag } from "../ui/staff_bar.js";

const ROLES = ["viewer", "host", "guest", "monitor", "checker", "operator"];
const WORKPLACE = { host: "/console", monitor: "/monitor", checker: "/monitor" };
const ORDER = ["live", "paused", "scheduled", "ended", "terminated"];

function Landing({ session }) {
  const list = useLoaded(() => get("/api/v1/broadcasts?state=live,paused,scheduled,ended&limit=50"), "shows");
  const workplace = WORKPLACE[session.account.role];
  const shows = [...(list.value?.broadcasts ?? [])].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));
  return html`<div class="desk">
    <header class="staffbar">
      <p class="brand">${t("brand")}</p>
      <p class="staffbar__who">${session.account.display_name}</p>
      <${LanguageSwitch} />
      <button type="button" class="chip-button" onClick=${signOut}><${Icon} name="exit" /><span>${t("login.sign_out")}</span></button>
    </header>
    <main class="page">
      ${workplace && html`<a class="workplace" href=${workplace} data-testid="workplace"><${Icon} name="shield" /><span>${t(`landing.to_${workplace.slice(1)}`)}</span></a>`}
      <div class="page__head"><h1>${t("landing.shows")}</h1></div>
      ${list.error && html`<p class="form-error" role="alert">${errorText(list.error)}</p>`}
      ${list.value && shows.length === 0 && html`<p class="empty">${t("landing.none")}</p>`}
      <ul class="broadcasts">
        ${shows.map((one) => html`<li key=${one.broadcast_id}><${Show} one=${one} /></li>`)}
      </ul>
    </main>
  </div>`;
}

const Show = ({ one }) => html`<a class="broadcast" href=${`/watch/${one.broadcast_id}`} data-testid="open-broadcast" data-broadcast-id=${one.broadcast_id}>
  <span class="broadcast__title">${one.title}</span>
  <${StateTag} state=${one.state} />
  <span class="broadcast__more">${one.host.display_name}${one.scheduled_at ? ` · ${formatMinute(one.scheduled_at)}` : ""}</span>
</a>`;

startPage(Landing, { roles: ROLES, title: "landing.title" });
