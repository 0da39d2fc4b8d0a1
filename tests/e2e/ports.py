"""Free ports, from below those that the system gives to connections: one of these may take a port again before the server
that it is meant for listens there. As a program: prints as many as its argument says.
"""

import random
import socket
import sys

FROM, TO = 10_000, 32_000


def free_ports(count: int) -> list[int]:
    held = []
    while len(held) < count:
        try:
            held.append(socket.create_server(("127.0.0.1", random.randrange(FROM, TO))))
        except OSError:
            continue
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


if __name__ == "__main__":
    print(*free_ports(int(sys.argv[1])))
