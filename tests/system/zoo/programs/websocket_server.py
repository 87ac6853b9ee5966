# SPDX-License-Identifier: LGPL-2.1-or-later
"""PORT: answers each message with itself."""
import asyncio
import sys

import websockets


async def serve(client):
    async for message in client:
        await client.send(message)


async def main():
    async with websockets.serve(serve, "0.0.0.0", int(sys.argv[1])):
        await asyncio.Future()


asyncio.run(main())
