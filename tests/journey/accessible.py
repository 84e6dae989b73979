"""What a page owes those who do not see or point: direct checks in the page itself, each naming what breaks it."""

from tests.journey.chromium import Screen

# Names by the rules that matter here: aria-label, aria-labelledby, a label's text, its own text. Contrast by WCAG 2.2
# (1.4.3) where the ground is a plain colour; text over the picture or a gradient has no single ground to compare with.
_FAULTS = r"""() => {
  const faults = [], say = (what, one) => faults.push(`${what}: ${one.outerHTML.slice(0, 140)}`);
  const top = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  const seen = (one) => one.checkVisibility({visibilityProperty: true, opacityProperty: true}) && !one.closest(".sr");
  const text = (one) => one?.textContent.trim() ?? "";
  const named = (one) => one.getAttribute("aria-label")
    || (one.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => text(document.getElementById(id))).join("")
    || [...(one.labels ?? [])].map(text).join("") || text(one);
  for (const one of top.querySelectorAll("button, a[href], input, select, textarea, progress, meter, [role=button]"))
    if (seen(one) && one.type !== "hidden" && !named(one)) say("no name", one);
  for (const one of top.querySelectorAll("dialog, section, nav, aside, video"))
    if (seen(one) && !one.matches(".demo-accounts") && !named(one)) say("no label", one);
  for (const one of top.querySelectorAll("img:not([alt]), svg:not([aria-hidden])")) say("no alternative", one);
  for (const one of top.querySelectorAll("[tabindex]")) if (one.tabIndex > 0) say("tab order by number", one);
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) faults.push(`id twice: ${id}`);
  if (!document.documentElement.lang) faults.push("no language");
  if (document.querySelectorAll("main").length !== 1) faults.push("not one main part");
  const width = document.documentElement.scrollWidth;
  if (width > innerWidth) faults.push(`wider than the screen: ${width}`);

  const rgba = (value) => (value.match(/[\d.]+/g) ?? []).map(Number);
  const linear = (part) => ((part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const style = getComputedStyle(at), colour = rgba(style.backgroundColor);
      if (style.backgroundImage !== "none") return null;
      if (colour.length === 3 || colour[3] === 1) return colour;
      if (colour[3] > 0) return null;
    }
    return null;
  };
  for (const one of top.querySelectorAll("*")) {
    if (![...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    if (!seen(one) || one.closest(":disabled, [aria-disabled=true]")) continue;
    const style = getComputedStyle(one), behind = ground(one);
    if (!behind) continue;
    const [a, b] = [light(rgba(style.color)), light(behind)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), big = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (big ? 3 : 4.5)) say(`contrast ${ratio.toFixed(2)}`, one);
  }
  return faults;
}"""
_IN_FOCUS = "() => document.activeElement?.dataset.testid ?? null"
MOST_STOPS = 40


async def assert_accessible(screen: Screen, where: str) -> None:
    """Everything on the page, or in the sheet on top of it, has a name, enough contrast and room."""
    faults = await screen.page.evaluate(_FAULTS)
    assert faults == [], f"{where} ({screen.name}): {faults}"


async def tab_to(screen: Screen, testid: str) -> int:
    """Press Tab until the element with this test id has the focus; returns how many stops it took."""
    for stops in range(1, MOST_STOPS + 1):
        await screen.page.keyboard.press("Tab")
        if await screen.page.evaluate(_IN_FOCUS) == testid:
            return stops
    raise AssertionError(f"{testid} is not reached within {MOST_STOPS} stops")


async def press(screen: Screen, testid: str, key: str = "Enter") -> None:
    """Go to an element by the keyboard alone and press a key there."""
    await screen.at(testid).wait_for()
    await screen.until("(id) => !document.querySelector(`[data-testid=${id}]`)?.disabled", testid)
    await tab_to(screen, testid)
    await screen.page.keyboard.press(key)
