/** How much: typed in major units, held as exact minor units. The server decides; hints here only save a round trip. */
import { formatMoney, parseAmount, toInput } from "../../money.js";
import { t } from "../../i18n/index.js";
import { codeText } from "../../ui/errors.js";
import { html, useState } from "../../ui/html.js";
import { Failure } from "./refusal.js";

export function AmountStep({ card, state, reserve, restart }) {
  const { busy, error, gate } = state;
  const { currency, increment_minor: increment, minimum_minor: minimum } = card;
  const [text, setText] = useState(toInput(minimum, currency));
  const amount = parseAmount(text, currency);
  const add = (minor) => setText(toInput((amount ?? 0) + minor, currency));
  const submit = (event) => {
    event.preventDefault();
    if (amount) reserve(amount);
  };
  const expected = text && hintFor(amount, card);
  const hint = expected === error?.code ? null : expected; // The server has said so already.
  return html`<form class="stack" onSubmit=${submit}>
    <label class="field field--money"
      ><span>${t("amount.label", { currency })}</span>
      <input value=${text} onInput=${(event) => setText(event.target.value)} inputmode="decimal" autocomplete="off" aria-describedby="amount-hint" data-testid="amount" />
    </label>
    <div class="choices">
      <button type="button" class="chip" onClick=${() => setText(toInput(minimum, currency))}>${t("amount.minimum")}</button>
      ${[1, 10, 100].map(
        (times) => html`<button type="button" class="chip" key=${times} onClick=${() => add(increment * times)}>+${formatMoney(increment * times, currency, { short: true })}</button>`,
      )}
    </div>
    <p class="form-error" role="status">${hint && codeText(hint)}</p>
    <p id="amount-hint" class="small">
      ${t("amount.rule", { minimum: formatMoney(minimum, currency, { short: true }), increment: formatMoney(increment, currency, { short: true }) })}
    </p>
    ${gate && Number.isInteger(gate.customer.available_minor) && html`<p class="small">${t("gate.available", { money: formatMoney(gate.customer.available_minor, gate.customer.currency) })}</p>`}
    <div class="sheet-foot">
      ${error ? html`<${Failure} error=${error} restart=${restart} />` : html`<p class="small">${t("amount.hold")}</p>`}
      <button class="button button--primary button--wide" disabled=${busy || !amount} data-testid="reserve">
        ${amount ? t("amount.reserve", { money: formatMoney(amount, currency) }) : t("amount.reserve_none")}
      </button>
    </div>
  </form>`;
}

/** The refusal to expect, by the card's own fixed facts; null when there is none. */
function hintFor(amount, card) {
  if (!amount) return "bad_amount";
  if (amount < card.minimum_minor) return "below_minimum";
  if ((amount - card.minimum_minor) % card.increment_minor !== 0) return "bad_increment";
  if (card.customer_maximum_minor && amount > card.customer_maximum_minor) return "over_limit";
  return null;
}
