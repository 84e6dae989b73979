/** Tells the monitor that their being here is on record, and what follows when it is not. */
import { t } from "../i18n/index.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";

export function Presence({ status, assigned, ready }) {
  const here = status.phase === "open" && ready;
  const name = here ? (assigned ? "recorded" : "not_assigned") : "away";
  return html`<p class=${`presence presence--${name}`} role="status" data-testid="presence" data-state=${name}>
    <${Icon} name=${name === "recorded" ? "shield" : "warning"} />${t(`presence.${name}`)}
  </p>`;
}
