/** A host's own broadcasts with their states, and the way to a new one. */
import { get } from "../api.js";
import { formatMinute, t } from "../i18n/index.js";
import { errorText } from "../ui/errors.js";
import { html, useState } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { useLoaded } from "../ui/page.js";
import { StateTag } from "../ui/staff_bar.js";
import { DraftForm } from "./draft_form.js";

export function BroadcastList() {
  const list = useLoaded(() => get("/api/v1/broadcasts?mine=true&limit=50"), "mine");
  const [creating, setCreating] = useState(false);
  const broadcasts = list.value?.broadcasts ?? [];
  return html`<main class="page">
    <div class="page__head">
      <h1>${t("console.mine")}</h1>
      <button type="button" class="button button--primary" onClick=${() => setCreating(true)} data-testid="new-broadcast"><${Icon} name="plus" />${t("console.new")}</button>
    </div>
    ${list.error && html`<p class="form-error" role="alert">${errorText(list.error)}</p>`}
    ${list.value && broadcasts.length === 0 && html`<p class="empty">${t("console.none")}</p>`}
    <ul class="broadcasts">
      ${broadcasts.map(
        (one) => html`<li key=${one.broadcast_id}>
          <a class="broadcast" href=${`#${one.broadcast_id}`} data-testid="open-broadcast" data-broadcast-id=${one.broadcast_id}>
            <span class="broadcast__title">${one.title}</span>
            <${StateTag} state=${one.state} />
            <span class="broadcast__more">${one.scheduled_at ? formatMinute(one.scheduled_at) : one.summary}</span>
          </a>
        </li>`,
      )}
    </ul>
    ${creating && html`<${DraftForm} monitors=${monitorsOf(broadcasts)} onClose=${() => setCreating(false)} onSaved=${({ broadcast_id }) => (location.hash = broadcast_id)} />`}
  </main>`;
}

/** The monitors this host has worked with, to pick from; there is no directory of staff to search. */
export function monitorsOf(broadcasts) {
  return [...new Map(broadcasts.filter((one) => one.monitor).map(({ monitor }) => [monitor.account_id, monitor])).values()];
}
