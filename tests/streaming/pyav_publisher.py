"""FFmpeg's own WHIP muxer through PyAV, as a program: `python -m tests.streaming.pyav_publisher URL BEARER FOLDER`.

A process of its own, because the muxer holds Python's lock while it waits for the answer to its offer. Sends H264 and
Opus with a P-256 certificate until it is ended; FFmpeg's default certificate is RSA, which the relay does not take.
"""

import datetime
import fractions
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

FRAMES_PER_S = 20
WIDTH, HEIGHT = 320, 240
SAMPLE_RATE, SAMPLES = 48_000, 960


def write_certificate(folder: Path) -> dict[str, str]:
    """Make a P-256 certificate; gives the muxer's options that name it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "encoder")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = (
        builder.not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .sign(key, hashes.SHA256())
    )
    files = {"cert_file": folder / "certificate.pem", "key_file": folder / "key.pem"}
    files["cert_file"].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    files["key_file"].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return {option: str(path) for option, path in files.items()}


def main(url: str, bearer: str, folder: str) -> None:
    # The relay is the DTLS server, so the encoder has to be the client; by default FFmpeg wants to be the server.
    options = {"authorization": bearer, "whip_flags": "dtls_active", **write_certificate(Path(folder))}
    output: Any = av.open(url, "w", format="whip", options=options)
    video = output.add_stream(
        "libx264", rate=FRAMES_PER_S, options={"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}
    )
    video.width, video.height, video.pix_fmt, video.gop_size = WIDTH, HEIGHT, "yuv420p", FRAMES_PER_S
    audio = output.add_stream("libopus", rate=SAMPLE_RATE, layout="stereo")
    silence = np.zeros((1, 2 * SAMPLES), np.int16)
    start_s = time.monotonic()
    sounds = 0
    for number in range(sys.maxsize):
        time.sleep(max(0.0, start_s + number / FRAMES_PER_S - time.monotonic()))
        shade = np.full((HEIGHT, WIDTH, 3), number * 7 % 256, np.uint8)
        frame = av.VideoFrame.from_ndarray(shade, format="rgb24")
        frame.pts, frame.time_base = number, fractions.Fraction(1, FRAMES_PER_S)
        output.mux(video.encode(frame))
        while sounds * SAMPLES < (number + 1) * SAMPLE_RATE // FRAMES_PER_S:
            sound = av.AudioFrame.from_ndarray(silence, format="s16", layout="stereo")
            sound.sample_rate, sound.pts = SAMPLE_RATE, sounds * SAMPLES
            sound.time_base = fractions.Fraction(1, SAMPLE_RATE)
            output.mux(audio.encode(sound))
            sounds += 1


if __name__ == "__main__":
    main(*sys.argv[1:4])
