/* rtt watch PORT COUNT     take the kernel's stamps of OPTIONS that leave for PORT of loopback and of their answers, as
 *                          the network device sees them; once COUNT were answered, print branch and microseconds each
 * rtt ask PORT COUNT       ask COUNT times, one after the other, and print branch and microseconds as measured here
 */
#define _GNU_SOURCE
#include "sip.h"
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/mman.h>

enum { FRAME = 2048, FRAMES = 1 << 14, BLOCK = 1 << 16, PAUSE_MICROSECONDS = 20000 };

static char packet[4096], control[256];

struct asked {
    char branch[64];
    double at, answered;
};
static struct asked table[SLOTS];

static double stamp_of(struct msghdr *header) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
            return stamp.tv_sec * 1e6 + stamp.tv_nsec / 1e3;
        }
    fail("no kernel stamp");
    return 0;
}

static struct asked *place(const char *branch) {
    unsigned hash = 2166136261u;
    for (const char *c = branch; *c; c++) hash = (hash ^ (unsigned char)*c) * 16777619u;
    struct asked *at = &table[hash % SLOTS];
    while (at->branch[0] && strcmp(at->branch, branch)) at = at + 1 < table + SLOTS ? at + 1 : table;
    return at;
}

/* A ring that the kernel fills by itself: to be woken for each packet would delay what is measured. */
static char *ring_of(int sock) {
    int version = TPACKET_V2, one = 1;
    struct tpacket_req wanted = {.tp_block_size = BLOCK, .tp_block_nr = FRAMES / (BLOCK / FRAME), .tp_frame_size = FRAME,
                                 .tp_frame_nr = FRAMES};
    if (setsockopt(sock, SOL_PACKET, PACKET_VERSION, &version, sizeof version) ||
        setsockopt(sock, SOL_PACKET, PACKET_RX_RING, &wanted, sizeof wanted) ||
        setsockopt(sock, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one))
        fail("packet ring");
    char *ring = mmap(NULL, (size_t)FRAME * FRAMES, PROT_READ | PROT_WRITE, MAP_SHARED, sock, 0);
    if (ring == MAP_FAILED) fail("mmap");
    return ring;
}

/* Take one packet, IP header first; whether it is an answer that was waited for. */
static int take(const char *ip, size_t length, int outgoing, double at, int port) {
    if (length < 28 || length >= sizeof packet || ip[0] != 0x45 || ip[9] != 17) return 0;
    memcpy(packet, ip, length);
    packet[length] = 0;
    const unsigned char *udp = (void *)(packet + 20);
    int source = udp[0] << 8 | udp[1], destination = udp[2] << 8 | udp[3];
    const char *branch = strstr(packet + 28, "branch=");
    char name[64] = "";
    if (!branch || sscanf(branch + 7, "%63[^;\r\n]", name) != 1) return 0;
    /* Loopback shows each packet as it leaves and as it arrives. */
    if (destination == port && outgoing) {
        struct asked *found = place(name);
        strcpy(found->branch, name);
        found->at = at;
    } else if (source == port && !outgoing) {
        struct asked *found = place(name);
        if (found->at && !found->answered) return found->answered = at, 1;
    }
    return 0;
}

static void watch(int port, int count) {
    /* ETH_P_IP alone would not show what leaves. */
    int sock = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL)), done = 0;
    struct sockaddr_ll device = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex("lo")};
    if (sock < 0 || bind(sock, (void *)&device, sizeof device)) fail("packet socket");
    char *ring = ring_of(sock);
    printf("ready\n");
    fflush(stdout);
    for (unsigned at = 0; done < count;) {
        volatile struct tpacket2_hdr *frame = (void *)(ring + (size_t)FRAME * (at % FRAMES));
        if (!(frame->tp_status & TP_STATUS_USER)) {
            usleep(PAUSE_MICROSECONDS);
            continue;
        }
        const struct sockaddr_ll *from = (void *)((char *)frame + TPACKET_ALIGN(sizeof *frame));
        done += take((char *)frame + frame->tp_net, frame->tp_snaplen, from->sll_pkttype == PACKET_OUTGOING,
                     frame->tp_sec * 1e6 + frame->tp_nsec / 1e3, port);
        frame->tp_status = TP_STATUS_KERNEL;
        at++;
    }
    for (struct asked *one_of = table; one_of < table + SLOTS; one_of++)
        if (one_of->answered) printf("%s %.3f\n", one_of->branch, one_of->answered - one_of->at);
}

static void ask(int port, int count) {
    int sock = connected(SOCK_DGRAM, port), one = 1;
    setsockopt(sock, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
    for (int number = 0; number < count; number++) {
        size_t size = options(number, "UDP", port, packet);
        struct timespec sent;
        clock_gettime(CLOCK_REALTIME, &sent);
        send(sock, packet, size, 0);
        struct iovec into = {packet, sizeof packet - 1};
        struct msghdr header = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        if (recvmsg(sock, &header, 0) <= 0) fail("recvmsg");
        printf("z9hG4bK%08x %.3f\n", number, stamp_of(&header) - sent.tv_sec * 1e6 - sent.tv_nsec / 1e3);
    }
}

int main(int count, char **words) {
    if (count != 4) return 2;
    if (!strcmp(words[1], "watch")) watch(atoi(words[2]), atoi(words[3]));
    else if (!strcmp(words[1], "ask")) ask(atoi(words[2]), atoi(words[3]));
    else return 2;
    return 0;
}
