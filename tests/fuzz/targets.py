"""Every target there is, by name; a colleague's goes into this table."""

from collections.abc import Callable

from tests.fuzz.media import Relay, Rtcp, Rtp, Srtp
from tests.fuzz.room import ForwardedAddress, RoomCommands, RoomFrames, RoomText
from tests.fuzz.sdp import Sdp, SdpFragment
from tests.fuzz.target import Target
from tests.fuzz.transport import Dtls, Port, Stun

TARGETS: dict[str, Callable[[], Target]] = {
    target.name: target
    for target in (
        Rtp,
        Rtcp,
        Stun,
        Srtp,
        Dtls,
        Port,
        Relay,
        Sdp,
        SdpFragment,
        RoomFrames,
        RoomCommands,
        RoomText,
        ForwardedAddress,
    )
}
