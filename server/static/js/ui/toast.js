/** Short notices at the foot of the page, read out politely; one at a time, the newest wins. */
import { html, useCallback, useEffect, useState } from "./html.js";

const SHOWN_MS = 4_500;

/** @returns {[preact.VNode, (text:string, tone?:"info"|"good"|"bad")=>void]} the place to render, and the voice */
export function useToast() {
  const [notice, setNotice] = useState(null);
  const say = useCallback((text, tone = "info") => setNotice({ text, tone }), []);
  useEffect(() => {
    if (!notice) return undefined;
    const timer = setTimeout(() => setNotice(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [notice]);
  const place = html`<div class="toasts" role="status" aria-live="polite" data-testid="toast">
    ${notice && html`<p class=${`toast toast--${notice.tone}`}>${notice.text}</p>`}
  </div>`;
  return [place, say];
}
