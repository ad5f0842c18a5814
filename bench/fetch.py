"""`python bench/fetch.py`: the CPU time that the launcher's calls of the queue take, the answers' bytes included.

A server on loopback, a process of its own, answers every ReceiveMessage with ten messages of the size that a thousand
workers send (bench/intake.py), and every DeleteMessageBatch. Over plain HTTP: what TLS takes is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

from grapeshot_launcher.cloud.aws import Aws

BATCH = 10
POLLERS = 16  # of the launcher, at most
RECEIVE = b"ReceiveMessage"


def serve(ready: Connection, size: int) -> None:
    """Answer until the process is ended."""
    letters = random.Random(1)
    text = "".join(letters.choices("abcdefghijklmnopqrstuvwxyz0123456789+/", k=size))
    message = {"MessageId": "0" * 36, "ReceiptHandle": "r" * 180, "MD5OfBody": "0" * 32, "Body": text}
    message_list = [{**message, "Attributes": {"SentTimestamp": "1795435200000"}}] * BATCH
    full = _answer(json.dumps({"Messages": message_list}))
    done = _answer(json.dumps({"Successful": [{"Id": str(n)} for n in range(BATCH)], "Failed": []}))

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            writer.write(full if RECEIVE in head else done)
            await writer.drain()

    async def main() -> None:
        server = await asyncio.start_server(connection, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def _answer(body: str) -> bytes:
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description="What fetching messages costs.")
    parser.add_argument("--size", type=int, default=6300, help="characters of a message (default: 6300)")
    parser.add_argument("--rounds", type=int, default=1000, help="of a receive and a delete (default: 1000)")
    chosen = parser.parse_args()
    heard, ready = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(ready, chosen.size), daemon=True)
    server.start()
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_ENDPOINT_URL_SQS": f"http://127.0.0.1:{heard.recv()}",
    }
    aws = Aws("eu-west-1")
    url = "https://sqs.eu-west-1.amazonaws.com/000000000000/queue"

    def fetch(_: int) -> int:
        letters = aws.receive(url, wait=1)
        aws.delete_messages(url, [letter.receipt for letter in letters])
        return len(letters)

    fetch(0)  # the client is made
    before = time.process_time()
    with ThreadPoolExecutor(POLLERS) as pollers:
        fetched = sum(pollers.map(fetch, range(chosen.rounds)))
    spent = time.process_time() - before
    server.terminate()
    print(f"{fetched:,} messages of {chosen.size:,} characters: {spent / fetched * 1000:.2f} CPU ms each")


if __name__ == "__main__":
    main()
