/* sweep respond EVERY LOSS  answer OPTIONS to every EVERYth address of loopback on a free port, which is printed first,
 *                           each from the address that it came to; one in LOSS requests is lost (0: none), in a fixed
 *                           order that looks random
 */
#define _GNU_SOURCE
#include "sip.h"

static char in[BATCH][MESSAGE], out[BATCH][MESSAGE], ancillary[BATCH][CMSG_SPACE(sizeof(struct in_pktinfo))];
static struct sockaddr_in peers[BATCH];
static struct mmsghdr received[BATCH], sent[BATCH];
static struct iovec read_into[BATCH], write_from[BATCH];

/* A socket that gets what is sent to any address of loopback; only such addresses are asked in a benchmark. */
static int listening(void) {
    int one = 1, size = 8 << 20, sock = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(sock, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
    setsockopt(sock, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3);
    if (sock < 0 || bind(sock, (void *)&address, sizeof address)) fail("bind");
    getsockname(sock, (void *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return sock;
}

static int receive(int sock) {
    for (int i = 0; i < BATCH; i++) {
        read_into[i] = (struct iovec){in[i], MESSAGE - 1};
        received[i].msg_hdr = (struct msghdr){.msg_name = &peers[i],
                                              .msg_namelen = sizeof peers[i],
                                              .msg_iov = &read_into[i],
                                              .msg_iovlen = 1,
                                              .msg_control = ancillary[i],
                                              .msg_controllen = sizeof ancillary[i]};
    }
    return recvmmsg(sock, received, BATCH, MSG_WAITFORONE, NULL);
}

/* The address that a datagram came to, and which it is answered from; NULL where the kernel does not tell. */
static struct in_pktinfo *came_to(struct msghdr *message) {
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    if (!head || head->cmsg_type != IP_PKTINFO) return NULL;
    struct in_pktinfo *info = (void *)CMSG_DATA(head);
    info->ipi_ifindex = 0;
    info->ipi_spec_dst = info->ipi_addr;
    return info;
}

static void respond(int every, int loss) {
    int sock = listening();
    unsigned requests = 0;
    for (;;) {
        int count = receive(sock), ready = 0;
        for (int i = 0; i < count; i++) {
            struct in_pktinfo *info = came_to(&received[i].msg_hdr);
            if (!info || ntohl(info->ipi_addr.s_addr) % every) continue;
            if (loss && (requests++ * 2654435761u >> 16) % loss == 0) continue;
            size_t size = answer(in[i], received[i].msg_len, out[ready]);
            if (!size) continue;
            write_from[ready] = (struct iovec){out[ready], size};
            sent[ready].msg_hdr = received[i].msg_hdr;
            sent[ready].msg_hdr.msg_iov = &write_from[ready];
            sent[ready++].msg_hdr.msg_flags = 0;
        }
        for (int done = 0, n; done < ready; done += n)
            if ((n = sendmmsg(sock, sent + done, ready - done, 0)) <= 0) break;
    }
}

int main(int count, char **words) {
    if (count != 4 || strcmp(words[1], "respond")) return 2;
    respond(atoi(words[2]), atoi(words[3]));
    return 0;
}
