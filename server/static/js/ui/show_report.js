/** A show's report: a funnel for each product, who looks after the buyers, and both as tables for a spreadsheet. */
import { get, getBlob } from "../api.js";
import { formatMoment, formatNumber, t } from "../i18n/index.js";
import { formatMoney } from "../money.js";
import { errorText } from "./errors.js";
import { html } from "./html.js";
import { useLoaded } from "./page.js";
import { Sheet } from "./sheet.js";

const STEPS = ["view", "card", "detail", "gate", "acknowledge", "reserve", "submit", "confirm"];

export function ShowReport({ broadcastId, say, onClose }) {
  const path = `/api/v1/broadcasts/${broadcastId}/report`;
  const { value: report, error, reload } = useLoaded(() => get(path), path);
  const save = (table) => getBlob(`${path}.csv?table=${table}`).then((blob) => download(blob, `${broadcastId}-${table}.csv`), (failed) => say(errorText(failed), "bad"));
  return html`<${Sheet} title=${t("funnel.title")} kind="wide" onClose=${onClose} testid="report">
    ${error && html`<p class="form-error" role="alert">${errorText(error)}</p>`}
    ${!report && !error && html`<p role="status">${t("page.loading")}</p>`}
    ${report &&
    html`<div class="stack report">
      <div class="row report__head">
        <p class="small">${t("funnel.read_at", { at: formatMoment(report.read_at) })}</p>
        <button type="button" class="button" onClick=${reload}>${t("funnel.reload")}</button>
        <button type="button" class="button" onClick=${() => save("funnel")} data-testid="report-funnel-csv">${t("funnel.funnel_csv")}</button>
        <button type="button" class="button" onClick=${() => save("managers")} data-testid="report-managers-csv">${t("funnel.managers_csv")}</button>
      </div>
      ${report.products.length === 0 && html`<p class="empty">${t("funnel.none")}</p>`}
      ${report.products.map((product) => html`<${Funnel} key=${product.product_id} product=${product} />`)}
      ${report.relationship_managers.length > 0 && html`<${Managers} lines=${report.relationship_managers} />`}
    </div>`}
  </${Sheet}>`;
}

/** Bars from the widest to the narrowest; the share is of those who watched. */
function Funnel({ product }) {
  const counts = product.customers;
  const widest = Math.max(1, counts.view);
  return html`<section class="panel" aria-label=${product.product_name} data-testid="funnel">
    <h3>${product.product_name}</h3>
    <ol class="funnel">
      ${STEPS.map((step) => html`<li key=${step} class="funnel__step" data-testid=${`funnel-${step}`}>
        <span class="funnel__name">${t(`funnel.step.${step}`)}</span>
        <svg class="funnel__track" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
          <rect class="funnel__bar" x=${50 - (50 * counts[step]) / widest} width=${(100 * counts[step]) / widest} height="10" />
        </svg>
        <span class="funnel__count">${formatNumber(counts[step])}</span>
        <span class="funnel__share">${Math.round((100 * counts[step]) / widest)}%</span>
      </li>`)}
    </ol>
    <dl class="report__sums">
      <div><dt>${t("funnel.submitted")}</dt><dd data-testid="submitted">${formatMoney(product.submitted_minor, product.currency)}</dd></div>
      <div><dt>${t("funnel.confirmed")}</dt><dd data-testid="confirmed">${formatMoney(product.confirmed_minor, product.currency)}</dd></div>
      <div><dt>${t("funnel.mismatches")}</dt><dd>${formatNumber(product.mismatches_blocked)}</dd></div>
    </dl>
  </section>`;
}

/** By name where staff of that number is on record; a number of the bank's own stays a number. */
const manager = (line) => line.relationship_manager_name ?? line.relationship_manager_id ?? t("funnel.nobody");

const Managers = ({ lines }) => html`<section class="panel" aria-label=${t("funnel.managers")}>
  <h3>${t("funnel.managers")}</h3>
  <div class="report__scroll" tabindex="0" role="region" aria-label=${t("funnel.managers")}>
    <table class="report__table" data-testid="managers">
      <thead>
        <tr>
          ${["manager", "branch", "product", "customers", "orders", "submitted", "confirmed"].map((name) => html`<th key=${name} scope="col">${t(`funnel.${name}`)}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${lines.map((line, index) => html`<tr key=${index}>
          <th scope="row">${manager(line)}</th>
          <td>${line.branch ?? "—"}</td>
          <td>${line.product_name}</td>
          <td>${formatNumber(line.customers)}</td>
          <td>${formatNumber(line.orders)}</td>
          <td>${formatMoney(line.submitted_minor, line.currency)}</td>
          <td>${formatMoney(line.confirmed_minor, line.currency)}</td>
        </tr>`)}
      </tbody>
    </table>
  </div>
</section>`;

function download(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // a browser may read it after the click
}
