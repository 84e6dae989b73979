/** A like: a small burst at each tap (none where motion is unwelcome), the total beside it. */
import { formatNumber, t } from "../i18n/index.js";
import { html, useRef, useState } from "../ui/html.js";
import { Icon } from "../ui/icons.js";

const BURST_MS = 900;
const MOST_AT_ONCE = 8;

export function LikeButton({ total, like, disabled }) {
  const [bursts, setBursts] = useState([]);
  const next = useRef(0);
  const tap = () => {
    like();
    const id = (next.current += 1);
    setBursts((had) => [...had, id].slice(-MOST_AT_ONCE));
    setTimeout(() => setBursts((had) => had.filter((one) => one !== id)), BURST_MS);
  };
  return html`<div class="like">
    <span class="like__bursts" aria-hidden="true">
      ${bursts.map((id) => html`<span key=${id} class=${`burst burst--${id % 4}`}><${Icon} name="heart" /></span>`)}
    </span>
    <button type="button" class="round round--like" onClick=${tap} disabled=${disabled} aria-label=${t("like.action")} data-testid="like">
      <${Icon} name="heart" />
    </button>
    <span class="like__total"><span class="sr">${t("like.total")}</span><span data-testid="like-total">${formatNumber(total)}</span></span>
  </div>`;
}
