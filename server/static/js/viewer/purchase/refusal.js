/** A refusal in the right words, by its stable code, read out at once. */
import { codeText } from "../../ui/errors.js";
import { t } from "../../i18n/index.js";
import { html } from "../../ui/html.js";
import { Icon } from "../../ui/icons.js";

export const Refusal = ({ code, action }) => html`<div class="refusal" role="alert" data-testid="refusal" data-code=${code}>
  <${Icon} name="warning" />
  <div>
    <p>${codeText(code)}</p>
    ${action}
  </div>
</div>`;

/** The refusal of a failed call; a card that changed offers to begin again with the new one. */
export const Failure = ({ error, restart }) =>
  error &&
  html`<${Refusal}
    code=${error.code}
    action=${restart &&
    error.code === "card_version_stale" &&
    html`<button type="button" class="button" onClick=${restart}>${t("buy.restart")}</button>`}
  />`;
