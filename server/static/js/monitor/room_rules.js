/** Who of the viewers may talk, and how often. */
import { t } from "../i18n/index.js";
import { errorText } from "../ui/errors.js";
import { html } from "../ui/html.js";

const PACES_S = [0, 5, 15, 30, 60];

export function RoomRules({ rules, client, say }) {
  const set = (change) =>
    client.act({ type: "rules", ...rules, ...change, reason: t("rules.reason") }).catch((error) => say(errorText(error), "bad"));
  return html`<div class="row rules" role="group" aria-label=${t("rules.title")}>
    <button type="button" class="button" aria-pressed=${String(rules.muted_all)} onClick=${() => set({ muted_all: !rules.muted_all })} data-testid="mute-all">${t(rules.muted_all ? "rules.unmute_all" : "rules.mute_all")}</button>
    <label class="field field--row"
      ><span>${t("rules.slow")}</span>
      <select value=${rules.slow_s} onChange=${(event) => set({ slow_s: Number(event.target.value) })} data-testid="slow-mode">
        ${PACES_S.map((pace) => html`<option key=${pace} value=${pace}>${pace === 0 ? t("rules.slow_off") : t("rules.slow_s", { seconds: pace })}</option>`)}
      </select>
    </label>
  </div>`;
}
