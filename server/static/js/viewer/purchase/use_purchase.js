/**
 * One purchase from the card to the receipt. Steps: detail (with the gate) → acknowledge → amount → confirm →
 * processing → receipt. Rules live on the server; here stands only what to ask next and what was answered.
 */
import { get } from "../../api.js";
import { useEffect, useReducer } from "../../ui/html.js";
import { postOnce } from "./idempotency.js";

const QUERY_MS = 2_000;
const UNDECIDED = new Set(["submitted", "outcome_unknown"]);
const SOLD = new Set(["accepted", "confirmed", "partially_confirmed", "holding", "redeeming", "redeemed"]);

const START = { step: "detail", gate: null, acknowledgement: null, order: null, error: null, busy: false, asked: false };
const change = (state, fields) => ({ ...state, ...fields });

/** The senior rule: an extra disclosure that is still to be read; reading it starts the wait. */
export const needsExtra = (gate) => Boolean(gate?.extra_disclosure) && !gate.extra_disclosure.acknowledged_at;

/** Whether the gate leads on: allowed, or nothing but the extra disclosure stands in the way. */
export const leadsOn = (gate) =>
  Boolean(gate) && (gate.allowed || (needsExtra(gate) && gate.refusals.every((one) => one.code === "senior_wait")));

/** The step at which an order stands. */
export function stepOf(order) {
  if (order.state === "reserved") return "confirm";
  if (UNDECIDED.has(order.state)) return "processing";
  return SOLD.has(order.state) ? "receipt" : "over";
}

/** @param {{broadcastId:string, card:object, role:string, lastOrder:object|null}} props */
export function usePurchase({ broadcastId, card, resumed, role, lastOrder }) {
  const begin = resumed ? { ...START, order: resumed, step: stepOf(resumed) } : START;
  const [state, set] = useReducer(change, begin);

  const attempt = async (work) => {
    set({ busy: true, error: null, asked: false });
    try {
      set({ ...(await work()), busy: false });
    } catch (error) {
      set({ error, busy: false });
    }
  };
  const settle = (order) => ({ order, step: stepOf(order) });

  const readGate = async () => {
    const gate = await get(`/api/v1/broadcasts/${broadcastId}/gate?product_id=${encodeURIComponent(card.product_id)}`);
    return { gate, step: "detail", acknowledgement: null };
  };
  const checkGate = () => attempt(readGate);
  const acknowledge = (fields) =>
    attempt(async () => {
      const body = { broadcast_id: broadcastId, product_id: card.product_id, card_version: state.gate.card.card_version, ...fields };
      const acknowledgement = await postOnce("/api/v1/acknowledgements", body);
      return needsExtra(state.gate) ? readGate() : { acknowledgement, step: "amount" };
    });
  const reserve = (amount_minor) =>
    attempt(async () => {
      const { acknowledgement_id } = state.acknowledgement;
      const body = { acknowledgement_id, amount_minor, currency: card.currency };
      return settle(await postOnce("/api/v1/orders", body));
    });
  const submit = (identity_proof) =>
    attempt(async () => {
      const path = `/api/v1/orders/${state.order.order_id}`;
      try {
        return settle(await postOnce(`${path}/submit`, {}, identity_proof ? { identity_proof } : {}));
      } catch (error) {
        if (error.code === "reauthentication_required") return { asked: true };
        if (!error.outcomeUnknown) throw error;
        // Nobody knows whether it was handed in: what the order says now is shown, and decides what can be done.
        const order = await get(path).catch(() => null);
        if (!order || order.state === "reserved") throw error;
        return settle(order);
      }
    });
  const extend = () => attempt(async () => settle(await postOnce(`/api/v1/orders/${state.order.order_id}/extend`)));
  const release = () =>
    attempt(async () => {
      await postOnce(`/api/v1/orders/${state.order.order_id}/cancel`);
      return { order: null, step: state.acknowledgement ? "amount" : "over" };
    });

  useEffect(() => {
    if (!resumed && role === "viewer") checkGate();
  }, []);
  useEffect(() => {
    // While the core has not answered, only a query resolves it; nothing is submitted twice.
    if (state.step !== "processing") return undefined;
    const query = () => get(`/api/v1/orders/${state.order.order_id}`).then((order) => set(settle(order)), () => {});
    const timer = setInterval(query, QUERY_MS);
    return () => clearInterval(timer);
  }, [state.step]);
  useEffect(() => {
    const mine = lastOrder && state.order?.order_id === lastOrder.order_id;
    if (!mine || state.busy || lastOrder.state === state.order.state || stepOf(lastOrder) === state.step) return;
    get(`/api/v1/orders/${lastOrder.order_id}`).then((order) => set(settle(order)), () => {});
  }, [lastOrder]);

  const goTo = (step) => set({ step, error: null });
  const unasked = () => set({ asked: false });
  return { state, checkGate, acknowledge, reserve, submit, extend, release, goTo, unasked };
}
