/**
 * A modal panel over the page: the browser's own <dialog>, which traps focus, closes on Escape and gives focus back.
 * The stream behind it goes on and stays in view. `onClose` is asked; the owner decides by unmounting.
 */
import { t } from "../i18n/index.js";
import { html, useEffect, useRef } from "./html.js";
import { Icon } from "./icons.js";

let nextId = 0;

export function Sheet({ title, onClose, onBack, children, kind = "sheet", testid, closeTestid }) {
  const dialog = useRef(null);
  const heading = useRef(null);
  const id = useRef(`sheet-${(nextId += 1)}`);
  useEffect(() => {
    const element = dialog.current;
    const opener = document.activeElement;
    element.showModal();
    return () => {
      element.close();
      opener?.focus?.();
    };
  }, []);
  useEffect(() => {
    heading.current.focus(); // A step that changes the title takes the reader to its beginning.
  }, [title]);
  const cancel = (event) => {
    event.preventDefault();
    (onBack ?? onClose)();
  };
  return html`<dialog class=${`dialog dialog--${kind}`} ref=${dialog} aria-labelledby=${id.current} onCancel=${cancel} data-testid=${testid}>
    <header class="dialog__head">
      ${onBack &&
      html`<button type="button" class="icon-button" onClick=${onBack} aria-label=${t("action.back")}><${Icon} name="back" /></button>`}
      <h2 id=${id.current} tabindex="-1" ref=${heading}>${title}</h2>
      <button type="button" class="icon-button" onClick=${onClose} aria-label=${t("action.close")} data-testid=${closeTestid}>
        <${Icon} name="close" />
      </button>
    </header>
    <div class="dialog__body">${children}</div>
  </dialog>`;
}
