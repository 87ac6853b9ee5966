# SPDX-License-Identifier: LGPL-2.1-or-later
"""URL COUNT: so many clients that say something once; five go on. The library answers pings."""
import asyncio
import json
import sys

import websockets


async def ask(client):
    await client.send("hello")
    assert await client.recv() == "hello"


async def main():
    clients, answers = [], 0
    for _ in range(int(sys.argv[2])):
        clients.append(await websockets.connect(sys.argv[1]))
        await ask(clients[-1])
        answers += 1
    while True:
        for client in clients[:5]:
            await ask(client)
            answers += 1
        print(json.dumps({"open": sum(client.open for client in clients), "answers": answers}))
        await asyncio.sleep(1)


asyncio.run(main())
