/** The featured product in the stream: small, but never without its risk rating and its warnings. */
import { t } from "../i18n/index.js";
import { levels, QuotaBar, Rating, Sentences, Yield } from "../ui/card_facts.js";
import { html } from "../ui/html.js";

export const CardStrip = ({ card, open }) =>
  card &&
  html`<section class="card" aria-label=${t("card.label")} data-testid="card" data-product-id=${card.product_id}>
    <div class="card__head">
      <${Rating} card=${card} />
      <h2 class="card__name" data-testid="card-name">${card.name}</h2>
      <button type="button" class="button button--gold" onClick=${open} data-testid="card-open">${t("card.open")}</button>
    </div>
    <div class="card__facts">
      <${Yield} card=${card} />
      <p class="card__levels"><span>${t("card.levels")}</span> <strong>${levels(card)}</strong></p>
    </div>
    <${QuotaBar} card=${card} />
    <${Sentences} card=${card} />
  </section>`;
