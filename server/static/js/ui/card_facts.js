/** The facts of a product card that must stand wherever one is shown. Pure rendering. */
import { formatMoney } from "../money.js";
import { t } from "../i18n/index.js";
import { html } from "./html.js";

const PRUDENCE = "理财非存款，产品有风险，投资须谨慎";
const PAST = "理财产品过往业绩不代表其未来表现，不等于理财产品实际收益，投资须谨慎";

/** The sentences the law wants in their own words, and in English beneath them where that is spoken. */
export function sentences(card) {
  const wanted = [PRUDENCE, ...(card.past_performance_shown ? [PAST] : []), ...(card.standing_sentences ?? [])];
  const gloss = { [PRUDENCE]: t("card.prudence"), [PAST]: t("card.past") };
  return [...new Set(wanted)].flatMap((one) => (gloss[one] && gloss[one] !== one ? [one, gloss[one]] : [one]));
}

export const Sentences = ({ card }) => html`<div class="sentences">
  ${sentences(card).map((one) => html`<p key=${one}>${one}</p>`)}
</div>`;

/** What must be seen while the card is covered by something: rating, levels and the sentences, in small. */
export const StandingLine = ({ card }) => html`<aside class="standing" aria-label=${t("card.label")} data-testid="standing">
  <p class="standing__facts"><${Rating} card=${card} /> ${t("card.levels")} <strong>${levels(card)}</strong></p>
  <${Sentences} card=${card} />
</aside>`;

export const Rating = ({ card }) => html`<span class=${`rating rating--${card.risk_rating}`}>
  <span class="sr">${t("card.risk")}</span>${card.risk_rating}
</span>`;

/** "C2–C5" for a run of levels. */
export function levels(card) {
  const all = card.suitable_levels;
  return all.length > 2 ? `${all[0]}–${all[all.length - 1]}` : all.join("、");
}

export const Yield = ({ card }) =>
  card.benchmark
    ? html`<p class="yield">
        <strong>${card.benchmark.text}</strong>
        <span>${t("card.benchmark")} · ${card.benchmark.basis}</span>
      </p>`
    : html`<p class="yield"><strong>${card.nav}</strong><span>${t("card.nav")}</span></p>`;

export function QuotaBar({ card }) {
  const { quota_left_minor: left, quota_total_minor: total, currency } = card;
  return html`<div class="quota">
    <div class="quota__text">
      <span>${t("card.quota_left")}</span>
      <strong data-testid="quota-left" data-minor=${left}>${formatMoney(left, currency, { short: true })}</strong>
    </div>
    <progress max=${total} value=${left} aria-label=${t("card.quota_left")}></progress>
  </div>`;
}
