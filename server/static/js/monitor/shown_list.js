/** The shows that went on air, newest first, each with its report: for monitors, and for checkers, who review them again. */
import { get } from "../api.js";
import { formatMinute, t } from "../i18n/index.js";
import { errorText } from "../ui/errors.js";
import { html, useEffect, useState } from "../ui/html.js";
import { ShowReport } from "../ui/show_report.js";
import { StateTag } from "../ui/staff_bar.js";

const STATES = ["live", "paused", "ended", "terminated", "replay_review", "replay_published", "archived"];
/** A show in one of these has a report. */
export const SHOWN = new Set(STATES);

const NOTHING_YET = { shown: [], next: `/api/v1/broadcasts?state=${STATES.join(",")}&limit=20`, error: null, asked: false };

/** Pages of shows, one more each time `load` is called. */
function usePages() {
  const [state, set] = useState(NOTHING_YET);
  const take = ({ broadcasts, next }) => set(({ shown }) => ({ shown: [...shown, ...broadcasts], next, error: null, asked: true }));
  const load = () => get(state.next).then(take, (error) => set((had) => ({ ...had, error })));
  useEffect(() => void load(), []);
  return { ...state, load };
}

export function ShownList({ say }) {
  const { shown, next, error, asked, load } = usePages();
  const [open, setOpen] = useState(null);
  return html`<section class="shown" aria-label=${t("monitor.shown")}>
    <div class="page__head"><h2>${t("monitor.shown")}</h2></div>
    ${error && html`<p class="form-error" role="alert">${errorText(error)}</p>`}
    ${asked && shown.length === 0 && html`<p class="empty">${t("monitor.none_shown")}</p>`}
    <ul class="broadcasts">
      ${shown.map(
        (one) => html`<li key=${one.broadcast_id} class="broadcast" data-testid="shown" data-broadcast-id=${one.broadcast_id}>
          <span class="broadcast__title">${one.title}</span>
          <${StateTag} state=${one.state} />
          <span class="broadcast__more">${one.host.display_name}${one.started_at ? ` · ${formatMinute(one.started_at)}` : ""}</span>
          <button type="button" class="button" onClick=${() => setOpen(one.broadcast_id)} aria-label=${`${t("funnel.title")}: ${one.title}`} data-testid="report-open">${t("funnel.title")}</button>
        </li>`,
      )}
    </ul>
    ${(error || (asked && next)) && html`<button type="button" class="button" onClick=${load} data-testid="shown-more">${t(error ? "action.retry" : "monitor.more")}</button>`}
    ${open && html`<${ShowReport} broadcastId=${open} say=${say} onClose=${() => setOpen(null)} />`}
  </section>`;
}
