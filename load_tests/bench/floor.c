/* The floor of forwarding: what crypto alone and a bare sendmmsg of the same bytes to the same receivers cost, in the
 * pattern's own pace. Usage: floor crypto|send SECONDS VIDEO_BYTES AUDIO_BYTES < "port\n" lines (all on 127.0.0.1).
 * Prints "packets cpu_seconds". */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { MAX_RECEIVERS = 4096, BATCH = 64, SLOT = 2048, HEADER = 20, TAG = 16, PACKETS_PER_FRAME = 4 };

static struct sockaddr_in receivers[MAX_RECEIVERS];
static EVP_CIPHER_CTX *ciphers[MAX_RECEIVERS];
static unsigned char slots[BATCH][SLOT], payload[SLOT];
static struct mmsghdr messages[BATCH];
static struct iovec vectors[BATCH];
static unsigned long packets;

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void encrypt_for(int receivers_count, int payload_bytes)
{
    for (int i = 0; i < receivers_count; i++) {
        unsigned char iv[12], *slot = slots[i % BATCH];
        int written;
        memset(iv, 0, sizeof iv);
        memcpy(iv, &packets, sizeof packets);
        slot[3] = (unsigned char)packets;
        EVP_EncryptInit_ex(ciphers[i], NULL, NULL, NULL, iv);
        EVP_EncryptUpdate(ciphers[i], NULL, &written, slot, HEADER);
        EVP_EncryptUpdate(ciphers[i], slot + HEADER, &written, payload, payload_bytes);
        EVP_EncryptFinal_ex(ciphers[i], slot + HEADER + payload_bytes, &written);
        EVP_CIPHER_CTX_ctrl(ciphers[i], EVP_CTRL_AEAD_GET_TAG, TAG, slot + HEADER + payload_bytes);
    }
}

static void send_to(int descriptor, int receivers_count, int payload_bytes)
{
    for (int from = 0; from < receivers_count; from += BATCH) {
        int count = receivers_count - from < BATCH ? receivers_count - from : BATCH, done = 0;
        for (int i = 0; i < count; i++) {
            vectors[i].iov_len = (size_t)(HEADER + payload_bytes + TAG);
            messages[i].msg_hdr.msg_name = &receivers[from + i];
        }
        while (done < count) {
            int taken = sendmmsg(descriptor, messages + done, (unsigned)(count - done), 0);
            if (taken <= 0)
                break;
            done += taken;
        }
    }
}

int main(int argc, char **argv)
{
    int count = 0, port, descriptor = socket(AF_INET, SOCK_DGRAM, 0), buffer = 4 << 20;
    int sending, video_bytes, audio_bytes;
    double seconds, before;
    unsigned long frame = 0, sound = 0;
    struct timespec start;
    if (argc != 5)
        return 2;
    sending = strcmp(argv[1], "send") == 0;
    seconds = atof(argv[2]);
    video_bytes = atoi(argv[3]);
    audio_bytes = atoi(argv[4]);
    if (video_bytes < 0 || audio_bytes < 0 || video_bytes > SLOT - HEADER - TAG || audio_bytes > SLOT - HEADER - TAG)
        return 2;
    setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    while (count < MAX_RECEIVERS && scanf("%d", &port) == 1) {
        unsigned char key[16];
        receivers[count].sin_family = AF_INET;
        receivers[count].sin_port = htons((unsigned short)port);
        receivers[count].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        memset(key, count, sizeof key);
        ciphers[count] = EVP_CIPHER_CTX_new();
        EVP_EncryptInit_ex(ciphers[count], EVP_aes_128_gcm(), NULL, key, NULL);
        count++;
    }
    for (int i = 0; i < BATCH; i++) {
        slots[i][0] = 0x80;
        vectors[i].iov_base = slots[i];
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_namelen = sizeof receivers[0];
    }
    clock_gettime(CLOCK_MONOTONIC, &start);
    before = cpu_seconds();
    for (;;) {
        int video = (double)frame / 30 <= (double)sound / 50;
        double at = video ? (double)frame++ / 30 : (double)sound++ / 50;
        struct timespec when = start;
        if (at >= seconds)
            break;
        when.tv_sec += (time_t)at;
        when.tv_nsec += (long)((at - (double)(time_t)at) * 1e9);
        if (when.tv_nsec >= 1000000000L) {
            when.tv_sec++;
            when.tv_nsec -= 1000000000L;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
        for (int part = 0; part < (video ? PACKETS_PER_FRAME : 1); part++) {
            if (sending)
                send_to(descriptor, count, video ? video_bytes : audio_bytes);
            else
                encrypt_for(count, video ? video_bytes : audio_bytes);
            packets += (unsigned long)count;
        }
    }
    printf("%lu %.6f\n", packets, cpu_seconds() - before);
    return 0;
}
