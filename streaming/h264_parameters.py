"""The size of an H264 picture, read from its sequence parameter set (ITU-T H.264 §7.3.2.1.1). Pure; no I/O."""

from __future__ import annotations

from streaming.errors import MalformedPacket

_START_CODE = b"\x00\x00\x01"
_NAL_SPS = 7
_WITH_CHROMA_FORMAT = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244})
"""The profiles whose parameter sets name a chroma format; all others are 4:2:0."""
_MOST_ZEROS = 31
"""No Exp-Golomb code of a parameter set is longer (§9.1)."""
_MOST_BYTES = 256
"""More of a parameter set is not read: what is asked for stands before it, whatever a sender puts behind."""
_LARGEST = 16_384
"""No level allows a side as long as this (A.3.1)."""


def annex_b_size(data: bytes) -> tuple[int, int] | None:
    """Give width and height from the first parameter set in Annex B `data`; None where none can be read."""
    at = data.find(_START_CODE)
    while at >= 0:
        begin = at + len(_START_CODE)
        at = data.find(_START_CODE, begin)
        if begin < len(data) and data[begin] & 0x1F == _NAL_SPS:
            return sps_size(data[begin : at if at >= 0 else len(data)])
    return None


def sps_size(nal: bytes) -> tuple[int, int] | None:
    """Give width and height, cropping applied, of a parameter set with its NAL header; None where it is cut short."""
    try:
        return _size(_Bits(nal[1:_MOST_BYTES].replace(b"\x00\x00\x03", b"\x00\x00")))
    except MalformedPacket:
        return None


def _size(bits: _Bits) -> tuple[int, int]:
    profile = bits.take(8)
    bits.take(16)  # constraint flags, level
    bits.golomb()  # the set's id
    chroma = 1
    if profile in _WITH_CHROMA_FORMAT:
        chroma = _skip_high_profile(bits)
    bits.golomb()  # log2_max_frame_num
    _skip_picture_order(bits)
    bits.golomb()  # max_num_ref_frames
    bits.take(1)
    width, height = 16 * (bits.golomb() + 1), 16 * (bits.golomb() + 1)
    frames_only = bits.take(1)
    height *= 2 - frames_only
    if not frames_only:
        bits.take(1)
    bits.take(1)
    if bits.take(1):
        left, right, top, bottom = (bits.golomb() for _ in range(4))
        width -= (left + right) * (2 if chroma in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1) * (2 - frames_only)
    if not (0 < width < _LARGEST and 0 < height < _LARGEST):
        raise MalformedPacket("the parameter set's size cannot be")
    return width, height


def _skip_high_profile(bits: _Bits) -> int:
    chroma = bits.golomb()
    if chroma == 3 and bits.take(1):
        chroma = 0  # separate planes are cropped like monochrome
    bits.golomb()  # bit depths
    bits.golomb()
    bits.take(1)
    if bits.take(1):
        for number in range(8 if chroma != 3 else 12):
            if bits.take(1):
                _skip_scaling_list(bits, 16 if number < 6 else 64)
    return chroma


def _skip_scaling_list(bits: _Bits, entries: int) -> None:
    last, following = 8, 8
    for _ in range(entries):
        if following:
            following = (last + bits.signed_golomb()) % 256
        last = following or last


def _skip_picture_order(bits: _Bits) -> None:
    kind = bits.golomb()
    if kind == 0:
        bits.golomb()
    elif kind == 1:
        bits.take(1)
        bits.golomb()
        bits.golomb()
        cycle = bits.golomb()
        if cycle > 255:
            raise MalformedPacket("the picture order's cycle is too long")
        for _ in range(cycle):
            bits.golomb()


class _Bits:
    """Reads bits, the highest first; raises MalformedPacket at the end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise MalformedPacket("the parameter set is cut short")
        return self._value >> self._left & ((1 << count) - 1)

    def golomb(self) -> int:
        """Read ue(v); se(v) takes as many bits."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > _MOST_ZEROS:
                raise MalformedPacket("the parameter set holds a number without end")
        return (1 << zeros) - 1 + self.take(zeros)

    def signed_golomb(self) -> int:
        code = self.golomb()
        return (code + 1) // 2 if code & 1 else -(code // 2)
