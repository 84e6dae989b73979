/**
 * A modal panel over the page: the browser's own <dialog>, which traps focus, closes on Escape and gives focus back.
 * The stream behind it goes on and stays in view. `onClose` is asked; the owner decides by unmounting.
 */
import { t } from "../i18n/index.js";
import { StandingLine } from "./card_facts.js";
import { createContext, html, useContext, useEffect, useRef } from "./html.js";
import { Icon } from "./icons.js";

/** The card that is shown in the room: a sheet that covers it says what must stay on screen while it is. */
export const ShownCard = createContext(null);

let nextId = 0;

export function Sheet({ title, onClose, onBack, children, kind = "sheet", testid, closeTestid }) {
  const dialog = useRef(null);
  const heading = useRef(null);
  const leaving = useRef(false);
  const opener = useRef(document.activeElement); // Taken before the page hides what the sheet covers, and with it the focus.
  const id = useRef(`sheet-${(nextId += 1)}`);
  const card = useContext(ShownCard);
  useEffect(() => {
    const element = dialog.current;
    element.showModal();
    return () => {
      leaving.current = true;
      element.close();
      queueMicrotask(() => giveBack(opener.current)); // Once the page below is drawn again: what is hidden takes no focus.
    };
  }, []);
  useEffect(() => {
    heading.current.focus(); // A step that changes the title takes the reader to its beginning.
  }, [title]);
  const cancel = (event) => {
    event.preventDefault();
    (onBack ?? onClose)();
  };
  // A browser closes a dialog on the second Escape whatever the page says; the owner must hear of that.
  const closed = () => leaving.current || onClose();
  return html`<dialog class=${`dialog dialog--${kind}`} ref=${dialog} aria-labelledby=${id.current} onCancel=${cancel} onClose=${closed} data-testid=${testid}>
    <header class="dialog__head">
      ${onBack &&
      html`<button type="button" class="icon-button" onClick=${onBack} aria-label=${t("action.back")}><${Icon} name="back" /></button>`}
      <h2 id=${id.current} tabindex="-1" ref=${heading}>${title}</h2>
      <button type="button" class="icon-button" onClick=${onClose} aria-label=${t("action.close")} data-testid=${closeTestid}>
        <${Icon} name="close" />
      </button>
    </header>
    ${card && html`<${StandingLine} card=${card} />`}
    <div class="dialog__body">${children}</div>
  </dialog>`;
}

/** Focus goes back to what opened the sheet; where that is gone meanwhile, to the page's main part. */
function giveBack(opener) {
  if (opener?.isConnected && opener !== document.body && !opener.disabled) return opener.focus();
  const main = document.querySelector("main");
  main?.setAttribute("tabindex", "-1");
  return main?.focus();
}
