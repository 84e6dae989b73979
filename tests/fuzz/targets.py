"""Every target there is, by name; a colleague's goes into this table."""

from collections.abc import Callable

from tests.fuzz.media import Dtls, Port, Relay, Rtcp, Rtp, Sdp, SdpFragment, Srtp, Stun
from tests.fuzz.target import Target

TARGETS: dict[str, Callable[[], Target]] = {
    target.name: target for target in (Rtp, Rtcp, Stun, Srtp, Dtls, Port, Relay, Sdp, SdpFragment)
}
