"""A segment is read back as it was written; any altered byte, missing or exchanged segment is found and named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.recording_chain import verify_chain
from streaming.recording_format import (
    NO_SEAL,
    BrokenSegment,
    ClockRecord,
    EndRecord,
    GapRecord,
    Header,
    PacketRecord,
    Record,
    SourceRecord,
    encode,
    open_segment,
    parse_segment,
    seal_block,
)
from streaming.rtp import RtpPacket

U16, U32, U64 = (st.integers(0, (1 << bits) - 1) for bits in (16, 32, 64))
PACKETS = st.builds(
    PacketRecord,
    st.integers(0, 255),
    U64,
    st.builds(RtpPacket, st.integers(0, 127), U16, U32, U32, st.binary(max_size=60), marker=st.booleans()),
)
RECORDS: st.SearchStrategy[Record] = st.one_of(
    PACKETS,
    st.builds(SourceRecord, st.integers(0, 255), U32, st.text(max_size=5), st.text(max_size=5), U32),
    st.builds(GapRecord, U32, U64, U64),
    st.builds(ClockRecord, U64),
)
BLOCKS = st.lists(st.lists(RECORDS, min_size=1, max_size=4), max_size=4)


def segment_of(number: int, previous: bytes, blocks: list[list[Record]], *, ended: bool = True) -> tuple[bytes, bytes]:
    """Bytes and last seal."""
    data, seal = open_segment(Header("bc_a", number, previous.hex(), 1_000_000 * number, 0))
    end: list[list[Record]] = [[EndRecord()]] if ended else []
    for block in blocks + end:
        sealed, seal = seal_block(seal, b"".join(encode(record) for record in block))
        data += sealed
    return data, seal


def plain(record: Record) -> object:
    """Packets compare by what they hold."""
    if not isinstance(record, PacketRecord):
        return record
    rtp = record.packet
    kept = (rtp.payload_type, rtp.sequence, rtp.timestamp, rtp.ssrc, rtp.payload, rtp.marker)
    return (record.source, record.arrival_us, kept)


@given(BLOCKS)
def test_what_was_written_is_read_back(blocks: list[list[Record]]) -> None:
    data, seal = segment_of(1, NO_SEAL, blocks)
    segment = parse_segment(data)
    written = [record for block in blocks for record in block] + [EndRecord()]
    assert [plain(record) for record in segment.records] == [plain(record) for record in written]
    assert (segment.seal, segment.sealed_bytes, segment.torn_bytes, segment.ended) == (seal, len(data), 0, True)


def chain_of(*contents: list[list[Record]]) -> list[tuple[str, bytes]]:
    seal, chain = NO_SEAL, []
    for number, blocks in enumerate(contents, 1):
        data, seal = segment_of(number, seal, blocks)
        chain.append((f"{number:06}.wcrec", data))
    return chain


@given(st.lists(BLOCKS, min_size=1, max_size=3), st.data())
def test_any_altered_byte_is_found_and_its_segment_named(
    contents: list[list[list[Record]]], data: st.DataObject
) -> None:
    chain = chain_of(*contents)
    assert verify_chain("bc_a", chain).problems == []
    index = data.draw(st.integers(0, len(chain) - 1))
    name, whole = chain[index]
    position = data.draw(st.integers(0, len(whole) - 1))
    altered = bytearray(whole)
    altered[position] ^= data.draw(st.integers(1, 255))
    chain[index] = (name, bytes(altered))
    problems = verify_chain("bc_a", chain).problems
    following = chain[index + 1][0] if index + 1 < len(chain) else name
    assert any(name in problem or following in problem for problem in problems)


PACKET: Record = PacketRecord(0, 5_000, RtpPacket(96, 1, 2, 3, b"media"))


def test_a_missing_segment_is_named() -> None:
    first, _, third = chain_of([[PACKET]], [[PACKET]], [[PACKET]])
    assert verify_chain("bc_a", [first, third]).problems == ["segment 2 missing before 000003.wcrec"]


def test_a_missing_last_segment_is_known_to_whom_kept_the_seals() -> None:
    first, second = chain_of([[PACKET]], [[PACKET]])
    seals = {one.number: one.seal for one in verify_chain("bc_a", [first, second]).segments}
    assert verify_chain("bc_a", [first], seals).problems == ["segment 2 missing or broken: the database knows it"]
    assert verify_chain("bc_a", [first, second], seals).problems == []


def test_exchanged_and_foreign_segments_are_found() -> None:
    (_, one), (_, two) = chain_of([[PACKET]], [[PACKET], [PACKET]])
    swapped = verify_chain("bc_a", [("000001.wcrec", two), ("000002.wcrec", one)]).problems
    assert any("000002.wcrec" in problem for problem in swapped)
    other = segment_of(2, b"x" * 32, [[PACKET]])[0]
    exchanged = verify_chain("bc_a", [("000001.wcrec", one), ("000002.wcrec", other)]).problems
    assert exchanged == ["000002.wcrec: does not follow the segment before it (one of the two was exchanged or cut)"]
    assert verify_chain("bc_b", [("000001.wcrec", one)]).problems == ["000001.wcrec: belongs to bc_a"]


@given(st.integers(1, 200))
def test_a_block_cut_short_is_torn_and_the_next_segment_goes_on_from_the_last_seal(cut: int) -> None:
    whole, seal = segment_of(1, NO_SEAL, [[PACKET]], ended=False)
    torn, _ = seal_block(seal, encode(PACKET) * 4)
    first = ("000001.wcrec", whole + torn[: min(cut, len(torn) - 1)])
    follower = ("000002.wcrec", segment_of(2, seal, [[PACKET]])[0])
    alone, followed = verify_chain("bc_a", [first]), verify_chain("bc_a", [first, follower])
    assert len(alone.problems) == 1
    assert (followed.problems, len(followed.notes)) == ([], 1)
    assert [one.packets for one in followed.segments] == [1, 1]


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_in_one_way(data: bytes) -> None:
    with pytest.raises(BrokenSegment):
        parse_segment(data)


def test_a_sealed_record_that_nobody_can_read_is_broken() -> None:
    data, seal = open_segment(Header("bc_a", 1, NO_SEAL.hex(), 0, None))
    for records in (b"\x63\x00\x00\x00\x00", b"\x02\x00", b"\x02\x00\x00\x00\x09short", b"\x05\x00\x00\x00\x01x"):
        with pytest.raises(BrokenSegment):
            parse_segment(data + seal_block(seal, records)[0])
