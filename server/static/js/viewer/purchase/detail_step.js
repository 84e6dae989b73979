/** Everything about the product, and whether this customer may buy it. */
import { formatMoney } from "../../money.js";
import { formatMinute, t, tFirst } from "../../i18n/index.js";
import { QuotaBar, Rating, Sentences, Yield, levels } from "../../ui/card_facts.js";
import { html } from "../../ui/html.js";
import { Failure, Refusal } from "./refusal.js";
import { leadsOn } from "./use_purchase.js";

/** What the questionnaire can mend. */
const NEEDS_ASSESSMENT = new Set(["not_assessed", "assessment_expired"]);

export function DetailStep({ card, role, state, checkGate, assess, next }) {
  const { gate, error, busy } = state;
  return html`<div class="stack">
    <div class="product-head"><${Rating} card=${card} /><h3>${card.name}</h3></div>
    <${Yield} card=${card} />
    <${QuotaBar} card=${card} />
    <${Facts} card=${card} />
    <p class="disclosure">${card.disclosure_text}</p>
    <${Sentences} card=${card} />
    ${role !== "viewer" && html`<p class="notice">${t("buy.viewers_only")}</p>`}
    ${gate && html`<${Customer} customer=${gate.customer} />`}
    <div class="sheet-foot">
      ${gate && html`<${GateAnswer} gate=${gate} assess=${assess} />`}
      <${Failure} error=${error} />
      ${error
        ? html`<button type="button" class="button button--wide" onClick=${checkGate}>${t("action.retry")}</button>`
        : html`<button type="button" class="button button--primary button--wide" disabled=${!leadsOn(gate) || busy} onClick=${next} data-testid="gate-next">${t(busy ? "buy.checking" : "buy.next")}</button>`}
    </div>
  </div>`;
}

function Facts({ card }) {
  const money = (minor) => formatMoney(minor, card.currency, { short: true });
  const rows = [
    ["card.issuer", `${card.issuer} · ${tFirst([`card.seller_${card.seller_role}`], card.seller_role)}`],
    ["card.type", tFirst([`card.type_${card.product_type}`], card.product_type)],
    ["card.risk", tFirst([`card.${card.risk_rating}`], card.risk_rating)],
    ["card.levels", levels(card)],
    ["card.term", card.term_days ? t("card.days", { days: card.term_days }) : t("card.open_ended")],
    ["card.minimum", money(card.minimum_minor)],
    ["card.increment", money(card.increment_minor)],
    ["card.maximum", card.customer_maximum_minor ? money(card.customer_maximum_minor) : t("card.none")],
    ["card.window", `${formatMinute(card.window_opens_at)} – ${formatMinute(card.window_closes_at)}`],
    ["card.settlement", card.settlement],
    ...card.fees.map((fee) => [fee.name, fee.text]),
  ];
  return html`<dl class="facts">
    ${rows.map(([name, value]) => html`<div key=${name}><dt>${t(name)}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

const Customer = ({ customer }) => html`<div class="gate">
  <p>
    ${customer.risk_tolerance
      ? t("gate.level", { level: customer.risk_tolerance, until: customer.assessed_until?.slice(0, 10) ?? "–" })
      : t("gate.no_level")}
  </p>
  ${Number.isInteger(customer.available_minor) && html`<p>${t("gate.available", { money: formatMoney(customer.available_minor, customer.currency) })}</p>`}
</div>`;

/** Stands beside the button it explains, so that nobody has to scroll for the reason. */
const GateAnswer = ({ gate, assess }) => html`<section class="gate" aria-label=${t("gate.label")}>
  ${gate.allowed && html`<p class="gate__ok" role="status">${t("gate.allowed")}</p>`}
  ${gate.refusals.map((one) => html`<${Refusal} key=${one.code} code=${one.code} action=${NEEDS_ASSESSMENT.has(one.code) && html`<button type="button" class="button" onClick=${assess} data-testid="assess">${t("assess.begin")}</button>`} />`)}
</section>`;
