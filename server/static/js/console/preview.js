/** What the host's own camera and microphone give: picture, level, and the choice of devices. */
import { t } from "../i18n/index.js";
import { errorText } from "../ui/errors.js";
import { html, useEffect, useRef } from "../ui/html.js";

const METER_MS = 80;
const QUIETEST_DB = -60;
const CONSOLE_HERE = `http://localhost${location.port && `:${location.port}`}/console`;

export function Preview({ camera, sending }) {
  const video = useRef(null);
  useEffect(() => {
    if (video.current) video.current.srcObject = camera.stream;
  }, [camera.stream]);
  const insecure = camera.error?.code === "insecure_page";
  return html`<section class="panel preview" aria-label=${t("preview.label")}>
    <div class="preview__frame">
      <video ref=${video} autoplay playsinline muted aria-label=${t("preview.label")} data-testid="preview"></video>
      ${sending && html`<span class="live"><span class="live__dot" aria-hidden="true"></span>${t("preview.sending")}</span>`}
      ${camera.error &&
      html`<div class="preview__error" role="alert">
        <p>${insecure ? t("preview.insecure", { here: CONSOLE_HERE }) : errorText(camera.error)}</p>
        ${!insecure && html`<button type="button" class="button" onClick=${camera.retry}>${t("action.retry")}</button>`}
      </div>`}
    </div>
    <${LevelMeter} stream=${camera.stream} />
    <div class="devices">
      <${DeviceSelect} camera=${camera} kind="videoinput" label=${t("preview.camera")} />
      <${DeviceSelect} camera=${camera} kind="audioinput" label=${t("preview.microphone")} />
    </div>
  </section>`;
}

function DeviceSelect({ camera, kind, label }) {
  const options = camera.devices.filter((one) => one.kind === kind);
  const inUse = camera.stream?.getTracks().find((track) => `${track.kind}input` === kind)?.getSettings().deviceId;
  return html`<label class="field"
    ><span>${label}</span>
    <select value=${inUse ?? ""} onChange=${(event) => camera.choose(kind, event.target.value)} disabled=${options.length === 0} data-testid=${kind}>
      ${options.map((one) => html`<option key=${one.deviceId} value=${one.deviceId} selected=${one.deviceId === inUse}>${one.label || label}</option>`)}
    </select>
  </label>`;
}

function LevelMeter({ stream }) {
  const meter = useRef(null);
  useEffect(() => {
    if (!stream?.getAudioTracks().length) return undefined;
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const resume = () => context.resume();
    addEventListener("pointerdown", resume); // Browsers keep audio asleep until the page was touched.
    const timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, one) => sum + one * one, 0) / samples.length;
      const decibel = 10 * Math.log10(power + 1e-12);
      if (meter.current) meter.current.value = Math.max(0, 1 - decibel / QUIETEST_DB);
    }, METER_MS);
    return () => {
      removeEventListener("pointerdown", resume);
      clearInterval(timer);
      context.close();
    };
  }, [stream]);
  return html`<label class="level"><span>${t("preview.level")}</span><meter ref=${meter} min="0" max="1" low="0.15" high="0.95" optimum="0.6" value="0"></meter></label>`;
}
