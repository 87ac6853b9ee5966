# SPDX-License-Identifier: LGPL-2.1-or-later
"""PORT: passes each line that a client sends on to all others. Its listener has SO_LINGER on, with 0 seconds."""
import asyncio
import socket
import struct
import sys

clients = set()


async def serve(reader, writer):
    clients.add(writer)
    while line := await reader.readline():
        for client in clients - {writer}:
            client.write(line)
    clients.discard(writer)
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", int(sys.argv[1]), start_serving=False)
    for sock in server.sockets:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    async with server:
        await server.serve_forever()


asyncio.run(main())
