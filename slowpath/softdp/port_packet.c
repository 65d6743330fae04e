// SPDX-License-Identifier: Apache-2.0
// A port on an existing network device: an AF_PACKET socket, read with recvmmsg() and written with sendmmsg().
//
// Two options make it carry what a switch needs (packet(7), linux/if_packet.h): PACKET_VNET_HDR puts a virtio-net header
// before each frame, without which TCP from a veth would arrive as 64 kB frames with unfinished checksums; PACKET_AUXDATA
// gives back the VLAN tag that the kernel takes off on receipt. Frames that the host itself sends through the device are
// not ours (PACKET_IGNORE_OUTGOING).
//
// Thread: rx by the forwarding thread that owns the port, tx by any.
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/counter.h"
#include "lib/base/mem.h"
#include "slowpath/softdp/port.h"

COUNTER_DEFINE(softdp_rx_truncated);

#define RX_SOCKET_BUFFER (16 << 20) // bytes; a burst of some ten thousand small frames

static int set_option(int fd, int option, int value, const char *what, struct err *err)
{
    if (setsockopt(fd, SOL_PACKET, option, &value, sizeof value) == 0)
        return 0;
    return err_set_errno(err, -errno, "packet socket option %s", what);
}

static int configure(int fd, int ifindex, struct err *err)
{
    struct packet_mreq promisc = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC};
    struct sockaddr_ll addr = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex};
    int size = RX_SOCKET_BUFFER, r;

    r = set_option(fd, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR", err);
    if (!r)
        r = set_option(fd, PACKET_AUXDATA, 1, "PACKET_AUXDATA", err);
    if (!r)
        r = set_option(fd, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING", err);
    if (r)
        return r;
    // A smaller buffer costs bursts, not correctness: without the privilege the plain limit has to do.
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof promisc) < 0)
        return err_set_errno(err, -errno, "promiscuous mode");
    if (bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
        return err_set_errno(err, -errno, "binding a packet socket");
    return 0;
}

static int packet_open(struct soft_port *port, struct err *err)
{
    AUTO_CLOSE int fd = -1;
    int r;

    port->ifindex = (int)if_nametoindex(port->name);
    if (!port->ifindex)
        return err_set(err, -ENODEV, "there is no network device %s", port->name);
    // Protocol 0: nothing arrives before bind() names device and protocol together.
    fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(err, -errno, "opening a packet socket");
    r = configure(fd, port->ifindex, err);
    if (r) {
        err_prefix(err, "%s", port->name);
        return r;
    }
    port->fd = STEAL_FD(fd);
    return 0;
}

static void packet_close(struct soft_port *port)
{
    close(port->fd);
    port->fd = -1;
}

struct rx_slot {
    struct virtio_net_hdr vnet;
    struct iovec iov[3];
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    } control;
};

static void prepare(struct rx_scratch *scratch, struct rx_slot *slots, struct mmsghdr *msgs)
{
    for (unsigned i = 0; i < RX_BURST; i++) {
        struct rx_slot *s = &slots[i];

        if (!scratch->packets[i])
            scratch->packets[i] = packet_new(FRAME_ROOM);
        s->iov[0] = (struct iovec){&s->vnet, sizeof s->vnet};
        s->iov[1] = (struct iovec){packet_data(scratch->packets[i]), FRAME_ROOM};
        s->iov[2] = (struct iovec){scratch->overflow[i], FRAME_MAX - FRAME_ROOM};
        msgs[i].msg_hdr = (struct msghdr){.msg_iov = s->iov,
                                          .msg_iovlen = 3,
                                          .msg_control = s->control.bytes,
                                          .msg_controllen = sizeof s->control.bytes};
    }
}

static void restore_tag(struct packet *p, struct msghdr *hdr)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
        struct tpacket_auxdata aux;

        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
            continue;
        memcpy(&aux, CMSG_DATA(c), sizeof aux);
        if (aux.tp_status & TP_STATUS_VLAN_VALID) {
            uint16_t tpid = aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETH_P_8021Q;

            packet_put_tag(p, htons(tpid), htons(aux.tp_vlan_tci));
        }
    }
}

static unsigned packet_rx(struct soft_port *port, struct rx_scratch *scratch, struct packet **ret)
{
    struct rx_slot slots[RX_BURST];
    struct mmsghdr msgs[RX_BURST];
    unsigned n = 0;

    prepare(scratch, slots, msgs);
    int got = recvmmsg(port->fd, msgs, RX_BURST, MSG_DONTWAIT, NULL);
    if (got < 0) {
        // ENETDOWN: the device went down or away; its link events tell the rest.
        if (errno != EAGAIN && errno != EINTR)
            count_relaxed(&port->stats.rx_errors, 1);
        return 0;
    }
    for (int i = 0; i < got; i++) {
        unsigned len = msgs[i].msg_len;

        if (len < sizeof(struct virtio_net_hdr) + ETH_HLEN || msgs[i].msg_hdr.msg_flags & MSG_TRUNC) {
            counter_inc(softdp_rx_truncated);
            count_relaxed(&port->stats.rx_errors, 1);
            continue;
        }
        struct packet *p = STEAL_PTR(scratch->packets[i]);
        len -= sizeof(struct virtio_net_hdr);
        port_fill(&p, len, scratch->overflow[i]);
        vnet_to_packet(&slots[i].vnet, p);
        restore_tag(p, &msgs[i].msg_hdr);
        ret[n++] = p;
    }
    return n;
}

// Sends one frame whose GSO form the device refused, as the frames it stands for.
struct segment_tx {
    struct soft_port *port;
    uint64_t frames, bytes, dropped;
};

static void send_segment(void *aux, struct packet *p)
{
    struct segment_tx *tx = aux;
    struct virtio_net_hdr vnet;
    struct iovec iov[2] = {{&vnet, sizeof vnet}, {packet_data(p), p->len}};
    struct msghdr hdr = {.msg_iov = iov, .msg_iovlen = 2};

    vnet_from_packet(p, &vnet);
    if (sendmsg(tx->port->fd, &hdr, MSG_DONTWAIT) < 0) {
        tx->dropped++;
    } else {
        tx->frames++;
        tx->bytes += p->len;
    }
    packet_free(p);
}

static void send_segmented(struct soft_port *port, struct packet *p)
{
    struct segment_tx tx = {.port = port};

    if (packet_segment(p, send_segment, &tx))
        tx.dropped++;
    port_count_tx(port, tx.frames, tx.bytes, tx.dropped);
}

static void packet_tx(struct soft_port *port, struct packet **packets, unsigned n)
{
    struct virtio_net_hdr vnet[TX_BURST];
    struct iovec iov[TX_BURST][2];
    struct mmsghdr msgs[TX_BURST];
    uint64_t bytes = 0, frames = 0, dropped = 0;

    for (unsigned i = 0; i < n; i++) {
        vnet_from_packet(packets[i], &vnet[i]);
        iov[i][0] = (struct iovec){&vnet[i], sizeof vnet[i]};
        iov[i][1] = (struct iovec){packet_data(packets[i]), packets[i]->len};
        msgs[i].msg_hdr = (struct msghdr){.msg_iov = iov[i], .msg_iovlen = 2};
    }
    for (unsigned i = 0; i < n;) {
        int sent = sendmmsg(port->fd, msgs + i, n - i, MSG_DONTWAIT);

        if (sent <= 0) { // the frame at `i` is refused; those behind it have their own chance
            if (packets[i]->vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE && errno == EINVAL)
                send_segmented(port, packets[i]);
            else
                dropped++;
            i++;
            continue;
        }
        for (int k = 0; k < sent; k++)
            bytes += packets[i + k]->len;
        frames += sent;
        i += sent;
    }
    for (unsigned i = 0; i < n; i++)
        packet_free(packets[i]);
    port_count_tx(port, frames, bytes, dropped);
}

// The kernel's count of frames that found the socket's buffer full; reading it resets it.
static void packet_count_drops(struct soft_port *port)
{
    struct tpacket_stats stats;
    socklen_t size = sizeof stats;

    if (getsockopt(port->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
        __atomic_fetch_add(&port->stats.rx_dropped, stats.tp_drops, __ATOMIC_RELAXED);
}

const struct soft_port_ops port_packet_ops = {
    .open = packet_open,
    .close = packet_close,
    .rx = packet_rx,
    .tx = packet_tx,
    .count_drops = packet_count_drops,
};
