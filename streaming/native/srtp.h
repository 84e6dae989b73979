/* SRTP and SRTCP protection of outbound packets (RFC 3711, RFC 7714) on OpenSSL's EVP. No I/O.
 *
 * Every function checks every length and writes nothing beyond what it is given. Nothing here is thread-safe: a peer
 * belongs to the event loop's thread.
 */
#ifndef WC_SRTP_H
#define WC_SRTP_H

#include <netinet/in.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#define WC_SLOT_BYTES 2048
#define WC_MAX_TRAILER_BYTES 20 /* the longest tag, and SRTCP's index */
#define WC_MAX_STREAMS 8        /* SSRCs a peer may send under: media and RTX of audio and video, and room */
#define WC_REPLAY_WINDOW 1024   /* a sequence number further behind is refused, as libsrtp does */

/* The numbers are libsrtp's. */
enum { WC_AES128_CM_SHA1_80 = 1, WC_AEAD_AES_128_GCM = 7, WC_AEAD_AES_256_GCM = 8 };

/* Session keys of one direction, derived from a master key and salt. */
typedef struct {
    uint8_t rtp_key[32], rtp_auth[20], rtp_salt[14];
    uint8_t rtcp_key[32], rtcp_auth[20], rtcp_salt[14];
} wc_session_keys;

/* One SSRC's packet index (roll-over counter and sequence number, 48 bits) and SRTCP index (31 bits). */
typedef struct {
    uint64_t index;
    uint32_t ssrc;
    uint32_t rtcp_index;
} wc_stream;

typedef struct {
    EVP_CIPHER_CTX *cipher;
    EVP_MAC_CTX *mac; /* AES-CM only */
    int profile;
    wc_session_keys keys;
    unsigned stream_count;
    wc_stream streams[WC_MAX_STREAMS];
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    socklen_t address_bytes;
    int unsegmented; /* the way to this address takes no message that the kernel would have to cut apart */
} wc_peer;

/* Derives session keys (RFC 3711 section 4.3, no key derivation rate); `master` is the key followed by its salt.
 * 0, or -1 where profile, length or OpenSSL say no. */
int wc_derive(int profile, const uint8_t *master, size_t master_bytes, wc_session_keys *keys);

/* Makes a peer without an address; NULL where OpenSSL refuses. */
wc_peer *wc_peer_new(int profile, const wc_session_keys *keys);
void wc_peer_free(wc_peer *peer);

/* Sets where the peer is reached; `ip` has 4 or 16 bytes. 0, or -1 for any other length. */
int wc_peer_address(wc_peer *peer, const uint8_t *ip, size_t ip_bytes, uint16_t port, uint32_t flow, uint32_t scope);

/* Finds or makes the state of an SSRC; NULL when the peer has no room for another. */
wc_stream *wc_stream_of(wc_peer *peer, uint32_t ssrc);

/* Protects `payload` under the header already at out[0..header_bytes); out has WC_SLOT_BYTES. The length of the whole
 * packet, or -1: too long, sequence number too old, or OpenSSL refused. */
int wc_seal_rtp(wc_peer *peer, wc_stream *stream, uint8_t *out, size_t header_bytes, const uint8_t *payload,
                size_t payload_bytes);

/* Protect a finished packet into out, which has WC_SLOT_BYTES. The new length, or -1 as above or for a lying header. */
int wc_protect_rtp(wc_peer *peer, const uint8_t *packet, size_t packet_bytes, uint8_t *out);
int wc_protect_rtcp(wc_peer *peer, const uint8_t *packet, size_t packet_bytes, uint8_t *out);

#endif
