/** The product shelf: approved products, of which one at a time stands on the stage. */
import { call, get } from "../api.js";
import { t } from "../i18n/index.js";
import { levels, QuotaBar, Rating, Sentences, Yield } from "../ui/card_facts.js";
import { errorText } from "../ui/errors.js";
import { html, useState } from "../ui/html.js";
import { useLoaded } from "../ui/page.js";

export function Shelf({ broadcastId, room, say }) {
  const shelf = useLoaded(() => get("/api/v1/products"), room.card?.card_version);
  const [busy, setBusy] = useState(false);
  const path = `/api/v1/broadcasts/${broadcastId}/card`;
  const act = (work, done) => async () => {
    setBusy(true);
    await work().then(() => say(done, "good"), (error) => say(errorText(error), "bad"));
    setBusy(false);
  };
  const show = (product) => act(() => call("PUT", path, { body: { product_id: product.product_id } }), t("shelf.shown"));
  const pull = act(() => call("DELETE", path, { body: {} }), t("shelf.pulled"));
  const approved = (shelf.value?.products ?? []).filter((one) => one.state === "approved");
  const onAir = room.state === "live" || room.state === "paused";
  return html`<section class="panel shelf" aria-label=${t("shelf.title")}>
    <h2>${t("shelf.title")}</h2>
    ${shelf.error && html`<p class="form-error" role="alert">${errorText(shelf.error)}</p>`}
    ${shelf.value && approved.length === 0 && html`<p class="empty">${t("shelf.none")}</p>`}
    ${!onAir && html`<p class="small">${t("shelf.on_air_only")}</p>`}
    <ul>
      ${approved.map((product) => {
        const shown = room.card?.product_id === product.product_id;
        return html`<li key=${product.product_id} class=${shown ? "product is-shown" : "product"} data-testid="product" data-product-id=${product.product_id}>
          <div class="product__head"><${Rating} card=${product} /><strong>${product.name}</strong></div>
          <${Yield} card=${product} />
          <p class="small">${t("card.levels")} ${levels(product)}</p>
          ${shown && html`<${QuotaBar} card=${room.card} /><${Sentences} card=${room.card} />`}
          ${shown
            ? html`<button type="button" class="button button--danger" disabled=${busy} onClick=${pull} data-testid="pull-card">${t("shelf.pull")}</button>`
            : html`<button type="button" class="button button--primary" disabled=${busy || !onAir} onClick=${show(product)} data-testid="show-card">${t("shelf.show")}</button>`}
        </li>`;
      })}
    </ul>
  </section>`;
}
