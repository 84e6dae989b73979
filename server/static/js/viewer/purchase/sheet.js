/** The purchase as one sheet under the running stream: its title, its progress and the step of the moment. */
import { t } from "../../i18n/index.js";
import { html } from "../../ui/html.js";
import { Sheet } from "../../ui/sheet.js";
import { AcknowledgeStep } from "./acknowledge_step.js";
import { AmountStep } from "./amount_step.js";
import { ConfirmStep } from "./confirm_step.js";
import { DetailStep } from "./detail_step.js";
import { Receipt } from "./receipt.js";
import { Refusal } from "./refusal.js";
import { usePurchase } from "./use_purchase.js";

const STEPS = ["detail", "acknowledge", "amount", "confirm", "receipt"];
const BACK = { acknowledge: "detail", amount: "acknowledge" };

export function PurchaseSheet({ broadcastId, opened, resumed, room, clock, role, assess, onClose }) {
  const onStage = room.card?.product_id === opened?.product_id ? room.card : null;
  const card = onStage && onStage.card_version === opened.card_version ? onStage : opened;
  const purchase = usePurchase({ broadcastId, card, resumed, role, lastOrder: room.lastOrder });
  const { state, goTo } = purchase;
  const { step } = state;
  const back = BACK[step] && (() => goTo(BACK[step]));
  const buying = step === "detail" || step === "acknowledge" || step === "amount";
  return html`<${Sheet} title=${t(`buy.${step}`)} onClose=${onClose} onBack=${back} kind="paper" testid="purchase">
    <${Progress} at=${Math.max(0, STEPS.indexOf(step === "processing" ? "confirm" : step))} />
    ${buying && !onStage && html`<${Refusal} code="card_pulled" />`}
    ${step === "detail" && html`<${DetailStep} card=${card} role=${role} state=${state} checkGate=${purchase.checkGate} assess=${assess} next=${() => goTo("acknowledge")} />`}
    ${(step === "acknowledge" || step === "amount") &&
    html`<div hidden=${step !== "acknowledge"}><${AcknowledgeStep} card=${state.gate.card} state=${state} acknowledge=${purchase.acknowledge} restart=${purchase.checkGate} /></div>`}
    ${step === "amount" && html`<${AmountStep} card=${card} state=${state} reserve=${purchase.reserve} restart=${purchase.checkGate} />`}
    ${step === "confirm" && html`<${ConfirmStep} clock=${clock} state=${state} submit=${purchase.submit} extend=${purchase.extend} release=${purchase.release} unasked=${purchase.unasked} again=${state.acknowledgement && (() => goTo("amount"))} />`}
    ${step === "processing" && html`<p class="processing" role="status"><span class="spinner" aria-hidden="true"></span>${t("buy.processing.more")}</p>`}
    ${step === "receipt" && html`<${Receipt} order=${state.order} onClose=${onClose} />`}
    ${step === "over" && html`<${OrderOver} order=${state.order} onClose=${onClose} />`}
  </${Sheet}>`;
}

const Progress = ({ at }) => html`<ol class="progress" aria-label=${t("buy.progress")}>
  ${STEPS.map(
    (step, index) => html`<li key=${step} class=${index <= at ? "is-done" : ""} aria-current=${index === at ? "step" : null}>
      <span class="sr">${t(`buy.${step}`)}</span>
    </li>`,
  )}
</ol>`;

const OrderOver = ({ order, onClose }) => html`<div class="stack">
  <p role="status">${t(`order.${order?.state ?? "cancelled"}`)}</p>
  <button type="button" class="button button--primary button--wide" onClick=${onClose}>${t("action.close")}</button>
</div>`;
