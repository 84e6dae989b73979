/** One named number of a staff page. */
import { formatNumber, t } from "../i18n/index.js";
import { html } from "./html.js";

export const Figure = ({ name, value, testid }) =>
  html`<div class="figure"><dt>${t(name)}</dt><dd data-testid=${testid}>${value}</dd></div>`;

/** A number with its unit, or a dash for what is not known. */
export const measured = (value, unit) =>
  value === null || value === undefined ? "–" : `${formatNumber(value)} ${unit}`.trim();
