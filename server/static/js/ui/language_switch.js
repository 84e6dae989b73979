/** The visible switch between Chinese and English; named in the other language, for whoever cannot read this one. */
import { onLanguage, switchLanguage, t } from "../i18n/index.js";
import { html, useEffect, useState } from "./html.js";
import { Icon } from "./icons.js";

export const LanguageSwitch = () => html`<button type="button" class="chip-button chip-button--named" onClick=${switchLanguage} data-testid="language">
  <${Icon} name="globe" /><span lang=${t("language.other_tag")}>${t("language.other")}</span>
</button>`;

/** Renders the component again, and all below it, when the language changes. */
export function useLanguage() {
  const [, again] = useState(0);
  useEffect(() => onLanguage(() => again((count) => count + 1)), []);
}
