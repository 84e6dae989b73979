/** The monitor's pages: the list to choose from, one broadcast's desk, and for checkers what waits for approval. */
import { html } from "../ui/html.js";
import { startPage } from "../ui/page.js";
import { StaffBar } from "../ui/staff_bar.js";
import { Desk } from "./desk.js";
import { ReviewQueue } from "./review_queue.js";
import { WatchList } from "./watch_list.js";

const [, broadcastId] = location.pathname.split("/").filter(Boolean);

function Monitor({ config, session }) {
  const checker = session.account.role === "checker";
  return html`<div class="desk">
    <${StaffBar} session=${session} back=${broadcastId && "/monitor"} />
    ${broadcastId
      ? html`<${Desk} config=${config} session=${session} broadcastId=${decodeURIComponent(broadcastId)} />`
      : checker
        ? html`<${ReviewQueue} />`
        : html`<${WatchList} account=${session.account} />`}
  </div>`;
}

startPage(Monitor, { roles: ["monitor", "checker"], title: "monitor.title" });
