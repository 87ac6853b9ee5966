# SPDX-License-Identifier: LGPL-2.1-or-later
"""HOST PORT COUNT: clients of the broker; the first one talks, the others listen."""
import asyncio
import sys


async def listen(reader):
    while await reader.readline():
        pass


async def main():
    ends = [await asyncio.open_connection(sys.argv[1], int(sys.argv[2])) for _ in range(int(sys.argv[3]))]
    for reader, _ in ends[1:]:
        asyncio.ensure_future(listen(reader))
    while True:
        ends[0][1].write(b"hello\n")
        await asyncio.sleep(0.5)


asyncio.run(main())
