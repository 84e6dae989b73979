#include "srtp.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <string.h>

#define CM_TAG_BYTES 10
#define GCM_TAG_BYTES 16
#define GCM_SALT_BYTES 12
#define CM_SALT_BYTES 14
#define AUTH_KEY_BYTES 20
#define MAX_SRTCP_INDEX 0x7fffffffu

static size_t key_bytes_of(int profile)
{
    switch (profile) {
    case WC_AES128_CM_SHA1_80:
    case WC_AEAD_AES_128_GCM:
        return 16;
    case WC_AEAD_AES_256_GCM:
        return 32;
    default:
        return 0;
    }
}

static size_t salt_bytes_of(int profile)
{
    return profile == WC_AES128_CM_SHA1_80 ? CM_SALT_BYTES : GCM_SALT_BYTES;
}

static const EVP_CIPHER *cipher_of(int profile)
{
    switch (profile) {
    case WC_AES128_CM_SHA1_80:
        return EVP_aes_128_ctr();
    case WC_AEAD_AES_128_GCM:
        return EVP_aes_128_gcm();
    default:
        return EVP_aes_256_gcm();
    }
}

static uint32_t read_32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write_32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

/* ---- Key derivation ---- */

static int derive_one(EVP_CIPHER_CTX *ctx, const uint8_t *salt, uint8_t label, uint8_t *out, size_t bytes)
{
    uint8_t iv[16] = {0}, zeros[32] = {0};
    int written = 0;
    memcpy(iv, salt, CM_SALT_BYTES);
    iv[7] ^= label;
    return EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, iv) == 1 &&
           EVP_EncryptUpdate(ctx, out, &written, zeros, (int)bytes) == 1;
}

int wc_derive(int profile, const uint8_t *master, size_t master_bytes, wc_session_keys *keys)
{
    size_t key_bytes = key_bytes_of(profile), salt_bytes = salt_bytes_of(profile);
    uint8_t salt[CM_SALT_BYTES] = {0}; /* GCM's 12 bytes are followed by zeros (RFC 7714 section 11) */
    EVP_CIPHER_CTX *ctx;
    int done;
    memset(keys, 0, sizeof *keys);
    if (key_bytes == 0 || master_bytes != key_bytes + salt_bytes)
        return -1;
    memcpy(salt, master + key_bytes, salt_bytes);
    ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL)
        return -1;
    done = EVP_EncryptInit_ex(ctx, key_bytes == 16 ? EVP_aes_128_ctr() : EVP_aes_256_ctr(), NULL, master, NULL) == 1 &&
           derive_one(ctx, salt, 0, keys->rtp_key, key_bytes) && derive_one(ctx, salt, 1, keys->rtp_auth, 20) &&
           derive_one(ctx, salt, 2, keys->rtp_salt, salt_bytes) && derive_one(ctx, salt, 3, keys->rtcp_key, key_bytes) &&
           derive_one(ctx, salt, 4, keys->rtcp_auth, 20) && derive_one(ctx, salt, 5, keys->rtcp_salt, salt_bytes);
    EVP_CIPHER_CTX_free(ctx);
    return done ? 0 : -1;
}

/* ---- Peers ---- */

static EVP_MAC_CTX *hmac_sha1(const uint8_t *key)
{
    char digest[] = "SHA1";
    OSSL_PARAM parameters[2] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac);
    if (ctx != NULL && EVP_MAC_init(ctx, key, AUTH_KEY_BYTES, parameters) != 1) {
        EVP_MAC_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

wc_peer *wc_peer_new(int profile, const wc_session_keys *keys)
{
    wc_peer *peer = key_bytes_of(profile) != 0 ? OPENSSL_zalloc(sizeof *peer) : NULL;
    if (peer == NULL)
        return NULL;
    peer->profile = profile;
    peer->keys = *keys;
    peer->cipher = EVP_CIPHER_CTX_new();
    if (profile == WC_AES128_CM_SHA1_80)
        peer->mac = hmac_sha1(keys->rtp_auth);
    if (peer->cipher == NULL || (profile == WC_AES128_CM_SHA1_80 && peer->mac == NULL) ||
        EVP_EncryptInit_ex(peer->cipher, cipher_of(profile), NULL, keys->rtp_key, NULL) != 1) {
        wc_peer_free(peer);
        return NULL;
    }
    return peer;
}

void wc_peer_free(wc_peer *peer)
{
    if (peer == NULL)
        return;
    EVP_CIPHER_CTX_free(peer->cipher);
    EVP_MAC_CTX_free(peer->mac);
    OPENSSL_clear_free(peer, sizeof *peer);
}

int wc_peer_address(wc_peer *peer, const uint8_t *ip, size_t ip_bytes, uint16_t port, uint32_t flow, uint32_t scope)
{
    peer->unsegmented = 0;
    memset(&peer->address, 0, sizeof peer->address);
    if (ip_bytes == 4) {
        peer->address.v4.sin_family = AF_INET;
        peer->address.v4.sin_port = htons(port);
        memcpy(&peer->address.v4.sin_addr, ip, 4);
        peer->address_bytes = sizeof peer->address.v4;
    } else if (ip_bytes == 16) {
        peer->address.v6.sin6_family = AF_INET6;
        peer->address.v6.sin6_port = htons(port);
        peer->address.v6.sin6_flowinfo = htonl(flow);
        peer->address.v6.sin6_scope_id = scope;
        memcpy(&peer->address.v6.sin6_addr, ip, 16);
        peer->address_bytes = sizeof peer->address.v6;
    } else {
        peer->address_bytes = 0;
        return -1;
    }
    return 0;
}

wc_stream *wc_stream_of(wc_peer *peer, uint32_t ssrc)
{
    for (unsigned i = 0; i < peer->stream_count; i++)
        if (peer->streams[i].ssrc == ssrc)
            return &peer->streams[i];
    if (peer->stream_count == WC_MAX_STREAMS)
        return NULL;
    peer->streams[peer->stream_count].ssrc = ssrc;
    return &peer->streams[peer->stream_count++];
}

/* ---- Packet index ---- */

/* Estimates the index behind a sequence number (RFC 3711 appendix A) the way libsrtp does, so that both writers agree:
 * until the first half cycle is over, a number is taken as it is. 0, or -1 when it is older than the replay window. */
static int take_index(wc_stream *stream, uint16_t sequence, uint64_t *index)
{
    uint32_t last = (uint32_t)(stream->index & 0xffff);
    uint64_t cycle = stream->index & ~(uint64_t)0xffff;
    uint64_t guess = cycle | sequence;
    if (stream->index <= 0x8000)
        guess = sequence;
    else if (last < 0x8000 && sequence > last + 0x8000)
        guess -= 0x10000;
    else if (last >= 0x8000 && sequence < last - 0x8000)
        guess += 0x10000;
    if (guess > stream->index)
        stream->index = guess;
    else if (stream->index - guess >= WC_REPLAY_WINDOW)
        return -1;
    *index = guess;
    return 0;
}

/* ---- Ciphers ---- */

static int gcm_seal(EVP_CIPHER_CTX *ctx, const uint8_t *salt, uint32_t ssrc, uint64_t index, const uint8_t *aad,
                    size_t aad_bytes, const uint8_t *tail, const uint8_t *in, size_t in_bytes, uint8_t *out)
{
    uint8_t iv[12] = {0};
    int written = 0;
    write_32(iv + 2, ssrc);
    iv[6] = (uint8_t)(index >> 40);
    iv[7] = (uint8_t)(index >> 32);
    write_32(iv + 8, (uint32_t)index);
    for (int i = 0; i < 12; i++)
        iv[i] ^= salt[i];
    return EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, iv) == 1 &&
           EVP_EncryptUpdate(ctx, NULL, &written, aad, (int)aad_bytes) == 1 &&
           (tail == NULL || EVP_EncryptUpdate(ctx, NULL, &written, tail, 4) == 1) &&
           (in_bytes == 0 || EVP_EncryptUpdate(ctx, out, &written, in, (int)in_bytes) == 1) &&
           EVP_EncryptFinal_ex(ctx, out + in_bytes, &written) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_BYTES, out + in_bytes) == 1;
}

static int cm_encrypt(EVP_CIPHER_CTX *ctx, const uint8_t *salt, uint32_t ssrc, uint64_t index, const uint8_t *in,
                      size_t in_bytes, uint8_t *out)
{
    uint8_t iv[16] = {0}, mix[14] = {0};
    int written = 0;
    write_32(mix + 4, ssrc);
    mix[8] = (uint8_t)(index >> 40);
    mix[9] = (uint8_t)(index >> 32);
    write_32(mix + 10, (uint32_t)index);
    for (int i = 0; i < CM_SALT_BYTES; i++)
        iv[i] = salt[i] ^ mix[i];
    return EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, iv) == 1 &&
           (in_bytes == 0 || EVP_EncryptUpdate(ctx, out, &written, in, (int)in_bytes) == 1);
}

/* Writes the 80-bit tag over the packet and, for RTP, the roll-over counter. */
static int cm_tag(EVP_MAC_CTX *mac, const uint8_t *packet, size_t bytes, const uint8_t *roll_over, uint8_t *tag)
{
    uint8_t digest[20];
    size_t written = 0;
    if (EVP_MAC_init(mac, NULL, 0, NULL) != 1 || EVP_MAC_update(mac, packet, bytes) != 1 ||
        (roll_over != NULL && EVP_MAC_update(mac, roll_over, 4) != 1) ||
        EVP_MAC_final(mac, digest, &written, sizeof digest) != 1)
        return 0;
    memcpy(tag, digest, CM_TAG_BYTES);
    return 1;
}

/* ---- RTP ---- */

int wc_seal_rtp(wc_peer *peer, wc_stream *stream, uint8_t *out, size_t header_bytes, const uint8_t *payload,
                size_t payload_bytes)
{
    uint64_t index = 0;
    uint8_t roll_over[4];
    if (header_bytes < 12 || header_bytes > WC_SLOT_BYTES - WC_MAX_TRAILER_BYTES ||
        payload_bytes > WC_SLOT_BYTES - WC_MAX_TRAILER_BYTES - header_bytes ||
        take_index(stream, (uint16_t)(out[2] << 8 | out[3]), &index) != 0)
        return -1;
    if (peer->profile != WC_AES128_CM_SHA1_80)
        return gcm_seal(peer->cipher, peer->keys.rtp_salt, stream->ssrc, index, out, header_bytes, NULL, payload,
                        payload_bytes, out + header_bytes)
                   ? (int)(header_bytes + payload_bytes + GCM_TAG_BYTES)
                   : -1;
    write_32(roll_over, (uint32_t)(index >> 16));
    if (!cm_encrypt(peer->cipher, peer->keys.rtp_salt, stream->ssrc, index, payload, payload_bytes,
                    out + header_bytes) ||
        !cm_tag(peer->mac, out, header_bytes + payload_bytes, roll_over, out + header_bytes + payload_bytes))
        return -1;
    return (int)(header_bytes + payload_bytes + CM_TAG_BYTES);
}

/* The length of header, CSRCs and extension; 0 where it lies (RFC 3550 section 5.1). */
static size_t rtp_header_bytes(const uint8_t *packet, size_t bytes)
{
    size_t header = 12;
    if (bytes < header || packet[0] >> 6 != 2)
        return 0;
    header += 4 * (size_t)(packet[0] & 0x0f);
    if (packet[0] & 0x10) {
        if (bytes < header + 4)
            return 0;
        header += 4 + 4 * (size_t)(packet[header + 2] << 8 | packet[header + 3]);
    }
    return header <= bytes ? header : 0;
}

int wc_protect_rtp(wc_peer *peer, const uint8_t *packet, size_t packet_bytes, uint8_t *out)
{
    size_t header = packet_bytes <= WC_SLOT_BYTES - WC_MAX_TRAILER_BYTES ? rtp_header_bytes(packet, packet_bytes) : 0;
    wc_stream *stream = header != 0 ? wc_stream_of(peer, read_32(packet + 8)) : NULL;
    if (stream == NULL)
        return -1;
    memcpy(out, packet, header);
    return wc_seal_rtp(peer, stream, out, header, packet + header, packet_bytes - header);
}

/* ---- RTCP ---- */

static int seal_rtcp_cm(wc_peer *peer, wc_stream *stream, const uint8_t *packet, size_t bytes, uint8_t *out)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    EVP_MAC_CTX *mac = hmac_sha1(peer->keys.rtcp_auth);
    int done = ctx != NULL && mac != NULL &&
               EVP_EncryptInit_ex(ctx, EVP_aes_128_ctr(), NULL, peer->keys.rtcp_key, NULL) == 1 &&
               cm_encrypt(ctx, peer->keys.rtcp_salt, stream->ssrc, stream->rtcp_index, packet + 8, bytes - 8, out + 8);
    write_32(out + bytes, 0x80000000u | stream->rtcp_index);
    done = done && cm_tag(mac, out, bytes + 4, NULL, out + bytes + 4);
    EVP_MAC_CTX_free(mac);
    EVP_CIPHER_CTX_free(ctx);
    return done ? (int)(bytes + 4 + CM_TAG_BYTES) : -1;
}

static int seal_rtcp_gcm(wc_peer *peer, wc_stream *stream, const uint8_t *packet, size_t bytes, uint8_t *out)
{
    uint8_t tail[4];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int done;
    write_32(tail, 0x80000000u | stream->rtcp_index);
    done = ctx != NULL && EVP_EncryptInit_ex(ctx, cipher_of(peer->profile), NULL, peer->keys.rtcp_key, NULL) == 1 &&
           gcm_seal(ctx, peer->keys.rtcp_salt, stream->ssrc, stream->rtcp_index, out, 8, tail, packet + 8, bytes - 8,
                    out + 8);
    memcpy(out + bytes + GCM_TAG_BYTES, tail, 4);
    EVP_CIPHER_CTX_free(ctx);
    return done ? (int)(bytes + GCM_TAG_BYTES + 4) : -1;
}

int wc_protect_rtcp(wc_peer *peer, const uint8_t *packet, size_t packet_bytes, uint8_t *out)
{
    wc_stream *stream;
    if (packet_bytes < 8 || packet_bytes > WC_SLOT_BYTES - WC_MAX_TRAILER_BYTES)
        return -1;
    stream = wc_stream_of(peer, read_32(packet + 4));
    if (stream == NULL || stream->rtcp_index == MAX_SRTCP_INDEX)
        return -1;
    stream->rtcp_index++;
    memcpy(out, packet, 8);
    return peer->profile == WC_AES128_CM_SHA1_80 ? seal_rtcp_cm(peer, stream, packet, packet_bytes, out)
                                                 : seal_rtcp_gcm(peer, stream, packet, packet_bytes, out);
}
