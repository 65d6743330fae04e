// SPDX-License-Identifier: Apache-2.0
// Sends 64-byte UDP frames through an AF_PACKET socket at a given rate, as one flow or as many.
//
//     pktgen INTERFACE PPS SECONDS FLOWS [FIRST]
//
// PPS 0 is as fast as it goes. Flow i has source address 10.(i>>16).(i>>8).i and source port 1024 + i % 50000, starting
// at FIRST, so that "all new" traffic can be made again and again. Prints the frames sent per second.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LEN 60
#define BATCH 32

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int open_socket(const char *interface)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
    int fd = socket(AF_PACKET, SOCK_RAW, 0), one = 1;

    if (fd < 0 || !to.sll_ifindex || bind(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        perror(interface);
        exit(1);
    }
    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
    return fd;
}

static void build(unsigned char *f)
{
    static const unsigned char head[] = {2, 0, 0, 0, 0, 2,  2, 0, 0, 0,  0,  1, 8, 0, 0x45, 0,   0, LEN - 14, 0, 0, 0,
                                         0, 64, 17, 0, 0, 10, 0, 0, 0, 10, 200, 0, 2, 0, 0, 0x13, 0x88, 0, LEN - 34};

    memset(f, 0, LEN);
    memcpy(f, head, sizeof head);
}

static void set_flow(unsigned char *f, unsigned i)
{
    unsigned short port = htons((unsigned short)(1024 + i % 50000)), sum;
    unsigned long total = 0;

    f[27] = (unsigned char)(i >> 16);
    f[28] = (unsigned char)(i >> 8);
    f[29] = (unsigned char)i;
    memcpy(f + 34, &port, 2);
    memset(f + 24, 0, 2);
    for (int k = 14; k < 34; k += 2)
        total += (unsigned long)(f[k] << 8 | f[k + 1]);
    total = (total & 0xffff) + (total >> 16);
    sum = htons((unsigned short)~(total + (total >> 16)));
    memcpy(f + 24, &sum, 2);
}

int main(int argc, char *argv[])
{
    static unsigned char frames[BATCH][LEN];
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH];

    if (argc < 5) {
        fprintf(stderr, "usage: pktgen INTERFACE PPS SECONDS FLOWS [FIRST]\n");
        return 2;
    }
    int fd = open_socket(argv[1]);
    double rate = atof(argv[2]), seconds = atof(argv[3]), start = now(), t;
    unsigned flows = (unsigned)strtoul(argv[4], NULL, 0), first = argc > 5 ? (unsigned)strtoul(argv[5], NULL, 0) : 0;
    unsigned long sent = 0;

    memset(msgs, 0, sizeof msgs);
    for (unsigned i = 0; i < BATCH; i++) {
        build(frames[i]);
        iov[i] = (struct iovec){frames[i], LEN};
        msgs[i].msg_hdr.msg_iov = &iov[i];
        msgs[i].msg_hdr.msg_iovlen = 1;
    }
    while ((t = now() - start) < seconds) {
        unsigned n = BATCH;

        if (rate > 0) {
            double due = t * rate - (double)sent;

            if (due < 1)
                continue;
            n = due < BATCH ? (unsigned)due : BATCH;
        }
        for (unsigned i = 0; i < n; i++)
            set_flow(frames[i], first + (unsigned)((sent + i) % flows));
        int done = sendmmsg(fd, msgs, n, 0);
        if (done > 0)
            sent += (unsigned long)done;
    }
    printf("%.0f\n", (double)sent / seconds);
    close(fd);
    return 0;
}
