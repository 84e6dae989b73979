/** The broadcasts a monitor may be needed at, their own first. */
import { get } from "../api.js";
import { t } from "../i18n/index.js";
import { errorText } from "../ui/errors.js";
import { html, useEffect } from "../ui/html.js";
import { useLoaded } from "../ui/page.js";
import { StateTag } from "../ui/staff_bar.js";
import { useToast } from "../ui/toast.js";
import { ShownList } from "./shown_list.js";

const ASK_EVERY_MS = 5_000;

export function WatchList({ account }) {
  const list = useLoaded(() => get("/api/v1/broadcasts?state=approved,scheduled,rehearsal,live,paused&limit=50"), "watch");
  useEffect(() => {
    const timer = setInterval(list.reload, ASK_EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const [toasts, say] = useToast();
  const mine = (one) => one.monitor?.account_id === account.account_id;
  const broadcasts = [...(list.value?.broadcasts ?? [])].sort((a, b) => mine(b) - mine(a));
  return html`<main class="page">
    <div class="page__head"><h1>${t("monitor.list")}</h1></div>
    ${list.error && html`<p class="form-error" role="alert">${errorText(list.error)}</p>`}
    ${list.value && broadcasts.length === 0 && html`<p class="empty">${t("monitor.none")}</p>`}
    <ul class="broadcasts">
      ${broadcasts.map(
        (one) => html`<li key=${one.broadcast_id}>
          <a class="broadcast" href=${`/monitor/${one.broadcast_id}`} data-testid="open-broadcast" data-broadcast-id=${one.broadcast_id}>
            <span class="broadcast__title">${one.title}</span>
            <${StateTag} state=${one.state} />
            <span class="broadcast__more">${one.host.display_name}${mine(one) ? ` · ${t("monitor.yours")}` : ""}</span>
          </a>
        </li>`,
      )}
    </ul>
    <${ShownList} say=${say} />
    ${toasts}
  </main>`;
}
