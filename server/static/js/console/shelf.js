/** The product shelf: what was approved with this broadcast, of which one at a time stands on the stage. */
import { call, get } from "../api.js";
import { t } from "../i18n/index.js";
import { levels, QuotaBar, Rating, Sentences, Yield } from "../ui/card_facts.js";
import { errorText } from "../ui/errors.js";
import { html, useState } from "../ui/html.js";
import { useLoaded } from "../ui/page.js";

export function Shelf({ broadcastId, version, room, say }) {
  const shelf = useLoaded(() => get(`/api/v1/broadcasts/${broadcastId}/shelf`), `${version} ${room.card?.product_id} ${room.card?.card_version}`);
  const [busy, setBusy] = useState(false);
  const path = `/api/v1/broadcasts/${broadcastId}/card`;
  const act = (work, done) => async () => {
    setBusy(true);
    await work().then(() => say(done, "good"), (error) => say(errorText(error), "bad"));
    setBusy(false);
  };
  const show = (product) => act(() => call("PUT", path, { body: { product_id: product.product_id } }), t("shelf.shown"));
  const pull = act(() => call("DELETE", path, { body: {} }), t("shelf.pulled"));
  const products = shelf.value?.products ?? [];
  const onAir = room.state === "live" || room.state === "paused";
  return html`<section class="panel shelf" aria-label=${t("shelf.title")}>
    <h2>${t("shelf.title")}</h2>
    ${shelf.error && html`<p class="form-error" role="alert">${errorText(shelf.error)}</p>`}
    ${shelf.value && products.length === 0 && html`<p class="empty">${t("shelf.none")}</p>`}
    ${!onAir && html`<p class="small">${t("shelf.on_air_only")}</p>`}
    <ul>
      ${products.map((product) => {
        const shown = room.card?.product_id === product.product_id;
        const onSale = product.approved_version !== null;
        return html`<li key=${product.product_id} class=${shown ? "product is-shown" : "product"} data-testid="product" data-product-id=${product.product_id}>
          <div class="product__head"><${Rating} card=${product} /><strong>${product.name}</strong></div>
          <${Yield} card=${product} />
          <p class="small">${t("card.levels")} ${levels(product)}</p>
          ${!onSale && html`<p class="notice">${t("shelf.off_sale")}</p>`}
          ${shown && html`<${QuotaBar} card=${room.card} /><${Sentences} card=${room.card} />`}
          ${shown
            ? html`<button type="button" class="button button--danger" disabled=${busy} onClick=${pull} data-testid="pull-card">${t("shelf.pull")}</button>`
            : html`<button type="button" class="button button--primary" disabled=${busy || !onAir || !onSale} onClick=${show(product)} data-testid="show-card">${t("shelf.show")}</button>`}
        </li>`;
      })}
    </ul>
  </section>`;
}
