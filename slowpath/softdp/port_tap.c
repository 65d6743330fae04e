// SPDX-License-Identifier: Apache-2.0
// An internal port: a TAP device that the datapath makes (Documentation/networking/tuntap.rst), so that the host itself has
// an interface on the bridge. The device lives as long as its descriptor.
//
// IFF_VNET_HDR and TUNSETOFFLOAD let the host's stack hand over GSO frames with pending checksums, as AF_PACKET ports do.
//
// Thread: rx by the forwarding thread that owns the port, tx by any.
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "slowpath/softdp/port.h"

static int tap_open(struct soft_port *port, struct err *err)
{
    AUTO_CLOSE int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int vnet_size = sizeof(struct virtio_net_hdr);

    if (fd < 0)
        return err_set_errno(err, -errno, "%s: opening /dev/net/tun", port->name);
    if (!str_copy(ifr.ifr_name, sizeof ifr.ifr_name, port->name))
        return err_set(err, -ENAMETOOLONG, "%s: the name is too long for a network device", port->name);
    if (ioctl(fd, TUNSETIFF, &ifr) < 0)
        return err_set_errno(err, -errno, "%s: making a TAP device", port->name);
    if (ioctl(fd, TUNSETVNETHDRSZ, &vnet_size) < 0)
        return err_set_errno(err, -errno, "%s: TUNSETVNETHDRSZ", port->name);
    // Without the offload the host's stack cuts and sums by itself; slower, not wrong.
    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6);
    port->ifindex = (int)if_nametoindex(port->name);
    port->fd = STEAL_FD(fd);
    return 0;
}

static void tap_close(struct soft_port *port)
{
    close(port->fd);
    port->fd = -1;
}

static unsigned tap_rx(struct soft_port *port, struct rx_scratch *scratch, struct packet **ret)
{
    unsigned n = 0;

    for (unsigned i = 0; i < RX_BURST; i++) {
        struct virtio_net_hdr vnet;

        if (!scratch->packets[i])
            scratch->packets[i] = packet_new(FRAME_ROOM);
        struct iovec iov[] = {{&vnet, sizeof vnet},
                              {packet_data(scratch->packets[i]), FRAME_ROOM},
                              {scratch->overflow[i], FRAME_MAX - FRAME_ROOM}};
        ssize_t len = readv(port->fd, iov, ARRAY_SIZE(iov));

        if (len < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != EIO) // EIO: the device is down
                count_relaxed(&port->stats.rx_errors, 1);
            break;
        }
        if ((size_t)len < sizeof vnet + ETH_HLEN) {
            count_relaxed(&port->stats.rx_errors, 1);
            continue;
        }
        struct packet *p = STEAL_PTR(scratch->packets[i]);
        port_fill(&p, len - sizeof vnet, scratch->overflow[i]);
        vnet_to_packet(&vnet, p);
        ret[n++] = p;
    }
    return n;
}

static void tap_tx(struct soft_port *port, struct packet **packets, unsigned n)
{
    uint64_t frames = 0, bytes = 0, dropped = 0;

    for (unsigned i = 0; i < n; i++) {
        struct virtio_net_hdr vnet;
        struct iovec iov[] = {{&vnet, sizeof vnet}, {packet_data(packets[i]), packets[i]->len}};

        vnet_from_packet(packets[i], &vnet);
        if (writev(port->fd, iov, ARRAY_SIZE(iov)) < 0) {
            dropped++; // EIO while the host keeps the device down
        } else {
            frames++;
            bytes += packets[i]->len;
        }
        packet_free(packets[i]);
    }
    port_count_tx(port, frames, bytes, dropped);
}

const struct soft_port_ops port_tap_ops = {
    .open = tap_open,
    .close = tap_close,
    .rx = tap_rx,
    .tx = tap_tx,
};
