/** Applause points for the host: granted points, never money; nothing of value reaches the host. */
import { get } from "../api.js";
import { formatNumber, t } from "../i18n/index.js";
import { errorText } from "../ui/errors.js";
import { html, useEffect, useRef, useState } from "../ui/html.js";
import { useLoaded } from "../ui/page.js";
import { Sheet } from "../ui/sheet.js";

const CHOICES = [1, 10, 50, 100];

/** @param {{room:object, tip:ReturnType<import("./use_tip.js").useTip>, onClose:()=>void}} props */
export function TipSheet({ room, tip, onClose }) {
  const points = useLoaded(() => get("/api/v1/points"), room.points);
  const [chosen, setChosen] = useState(tip.points ?? 10);
  const { busy, error } = tip;
  const open = useRef(true);
  useEffect(() => () => (open.current = false), []);
  const balance = room.points ?? points.value?.balance ?? 0;
  const send = async () => {
    if ((await tip.give(chosen)) && open.current) onClose();
  };
  return html`<${Sheet} title=${t("tip.title")} onClose=${onClose} kind="small" testid="tip-sheet">
    <p class="balance">${t("tip.balance")} <strong data-testid="points-balance">${formatNumber(balance)}</strong></p>
    <div class="choices" role="radiogroup" aria-label=${t("tip.choose")}>
      ${CHOICES.map(
        (one) => html`<label class="choice" key=${one}>
          <input type="radio" name="points" value=${one} checked=${one === chosen} disabled=${busy} onChange=${() => setChosen(one)} data-testid=${`tip-${one}`} />
          <span>${formatNumber(one)}</span>
        </label>`,
      )}
    </div>
    ${points.value &&
    html`<p class="small">${t("tip.cap", { tipped: formatNumber(points.value.tipped_today), cap: formatNumber(points.value.daily_cap) })}</p>`}
    <p class="small">${t("tip.note")}</p>
    ${!room.tipsEnabled && html`<p class="notice" data-testid="tips-off">${t("tip.off")}</p>`}
    ${error && html`<p class="form-error" role="alert" data-testid="refusal" data-code=${error.code}>${errorText(error)}</p>`}
    <button type="button" class="button button--primary button--wide" disabled=${busy || !room.tipsEnabled || balance < chosen} onClick=${send} data-testid="tip-send">
      ${busy ? t("tip.pending") : t("tip.send", { points: chosen })}
    </button>
  </${Sheet}>`;
}
