/** Before going live: what is still missing, who must do it, and what they do. */
import { get } from "../api.js";
import { t, tFirst } from "../i18n/index.js";
import { errorText } from "../ui/errors.js";
import { html, useEffect } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { useLoaded } from "../ui/page.js";

const ASK_EVERY_MS = 3_000;
const CHECKS = [
  ["host_licence", ["host_licence_missing", "host_licence_expired"]],
  ["monitor_named", ["monitor_unassigned"]],
  ["monitor_there", ["monitor_absent", "monitor_unassigned"]],
];

/** The readiness of one broadcast, asked again while somebody may still arrive. */
export function useReadiness(broadcastId, active) {
  const readiness = useLoaded(() => get(`/api/v1/broadcasts/${broadcastId}/readiness`), broadcastId);
  useEffect(() => {
    if (!active) return undefined;
    const timer = setInterval(readiness.reload, ASK_EVERY_MS);
    return () => clearInterval(timer);
  }, [active]);
  return readiness;
}

export function Readiness({ readiness, approved }) {
  const missing = readiness.value?.missing ?? [];
  const known = new Set(CHECKS.flatMap(([, codes]) => codes));
  const others = missing.filter((one) => !known.has(one.code));
  return html`<section class="panel" aria-label=${t("ready.title")} data-testid="readiness" data-ready=${String(Boolean(readiness.value?.ready && approved))}>
    <h2>${t("ready.title")}</h2>
    ${readiness.error && html`<p class="form-error" role="alert">${errorText(readiness.error)}</p>`}
    <ul class="checks" aria-live="polite">
      <${Check} done=${approved} name="approved" who=${t("role.checker")} />
      ${readiness.value &&
      CHECKS.map(([name, codes]) => {
        const lack = missing.find((one) => codes.includes(one.code));
        return html`<${Check} key=${name} name=${name} done=${!lack} who=${lack?.who} more=${lack?.what_to_do} />`;
      })}
      ${others.map((one) => html`<${Check} key=${one.code} name=${one.code} who=${one.who} more=${one.what_to_do} />`)}
    </ul>
  </section>`;
}

const Check = ({ name, done, who, more }) => html`<li class=${done ? "check-row is-done" : "check-row"} data-code=${name}>
  <${Icon} name=${done ? "check" : "warning"} />
  <div>
    <p>${tFirst([`ready.${name}`], name)} <span class="sr">${t(done ? "ready.done" : "ready.open")}</span></p>
    ${!done && html`<p class="small">${who && html`<strong>${who}</strong>`} ${tFirst([`ready.${name}.do`], more)}</p>`}
  </div>
</li>`;
